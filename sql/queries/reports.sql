-- name: stages_of_month
-- Running workdays between milestones of normal cases stopped from $1 to $2 (both included), by the
-- milestone that ends a stage: the same as the view reporting.stage, without its periods.
SELECT stage.case_stage, count(*) AS cases, sum(stage.workdays) AS workdays
FROM rebate_case AS stored
CROSS JOIN LATERAL jsonb_to_recordset(stored.stages) AS stage (case_stage text, workdays integer)
WHERE stored.status = 'stopped' AND stored.normal
  AND stored.stopped_on BETWEEN $1::date AND $2::date
GROUP BY 1

-- name: suspensions_of_month
-- Suspensions that began from $1 to $2 (both included), by reason and days; one that lasts has no last
-- day. Cases are found by their acceptance, which comes first.
SELECT told.reason,
       (told.start AT TIME ZONE 'Asia/Shanghai')::date AS first,
       (told."end" AT TIME ZONE 'Asia/Shanghai')::date AS last,
       count(*) AS suspensions
FROM rebate_case AS stored
CROSS JOIN LATERAL jsonb_to_recordset(stored.suspensions)
    AS told (reason text, effect text, start timestamptz, "end" timestamptz)
WHERE stored.suspensions <> '[]'
  AND stored.accepted_at < ($2::date + 1)::timestamp AT TIME ZONE 'Asia/Shanghai'
  AND told.start >= ($1::date)::timestamp AT TIME ZONE 'Asia/Shanghai'
  AND told.start < ($2::date + 1)::timestamp AT TIME ZONE 'Asia/Shanghai'
GROUP BY 1, 2, 3

-- name: suspended_cases_of_month
-- How many cases the suspensions of suspensions_of_month are of: one case may have several.
SELECT told.reason, count(DISTINCT stored.case_id) AS cases,
       count(DISTINCT stored.case_id) FILTER (WHERE told."end" IS NULL) AS lasting_cases,
       count(DISTINCT stored.case_id) FILTER (WHERE told."end" IS NOT NULL) AS ended_cases
FROM rebate_case AS stored
CROSS JOIN LATERAL jsonb_to_recordset(stored.suspensions)
    AS told (reason text, start timestamptz, "end" timestamptz)
WHERE stored.suspensions <> '[]'
  AND stored.accepted_at < ($2::date + 1)::timestamp AT TIME ZONE 'Asia/Shanghai'
  AND told.start >= ($1::date)::timestamp AT TIME ZONE 'Asia/Shanghai'
  AND told.start < ($2::date + 1)::timestamp AT TIME ZONE 'Asia/Shanghai'
GROUP BY 1
