-- name: refiled_distribution
-- Cases accepted from $1 to $2 (both included) that were filed again from another, by group.
SELECT CASE $3::text
           WHEN 'category' THEN coalesce(category, 'unknown')
           WHEN 'city' THEN city
           WHEN 'office' THEN office
           WHEN 'month' THEN to_char(accepted_at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM')
           WHEN 'rebate_type' THEN coalesce(rebate_type, 'unknown')
       END AS "group",
       coalesce(category IN ('I', 'II'), false) AS category_1_2,
       count(*) AS cases
FROM rebate_case
WHERE refiled_from IS NOT NULL
  AND accepted_at >= ($1::date)::timestamp AT TIME ZONE 'Asia/Shanghai'
  AND accepted_at < ($2::date + 1)::timestamp AT TIME ZONE 'Asia/Shanghai'
GROUP BY 1, 2

-- name: open_ageing
-- Normal open cases by what their count is made of, with the rules that they go by, $2 at least, and by
-- their verdict at $1.
SELECT counted_workdays, running_since, greatest(rules, $2::bigint) AS rules,
       coalesce(settled_verdict, CASE WHEN breach_at <= $1::timestamptz THEN 'breached'
                                      WHEN at_risk_at <= $1::timestamptz THEN 'at_risk'
                                      ELSE 'on_track' END) AS verdict,
       count(*) AS cases
FROM rebate_case
WHERE status IN ('running', 'suspended') AND normal
GROUP BY 1, 2, 3, 4

-- name: anomalous_cases
-- Cases accepted from $1 to $2 (both included) that list an anomaly, the latest first.
SELECT case_id, anomalies
FROM rebate_case
WHERE anomalies <> '{}'
  AND accepted_at >= ($1::date)::timestamp AT TIME ZONE 'Asia/Shanghai'
  AND accepted_at < ($2::date + 1)::timestamp AT TIME ZONE 'Asia/Shanghai'
ORDER BY accepted_at DESC, case_id
LIMIT $3

-- name: anomalies_by_kind
SELECT anomaly, count(*) AS cases
FROM rebate_case CROSS JOIN LATERAL unnest(anomalies) AS anomaly
WHERE anomalies <> '{}'
  AND accepted_at >= ($1::date)::timestamp AT TIME ZONE 'Asia/Shanghai'
  AND accepted_at < ($2::date + 1)::timestamp AT TIME ZONE 'Asia/Shanghai'
GROUP BY 1

-- name: stopped_by_city_and_month
-- Normal cases stopped from $1 to $2 (both included). The name of a month is made of the grouped rows.
SELECT city, date_trunc('month', stopped_on::timestamp)::date AS month, category_1_2,
       sum(cases)::bigint AS cases, sum(workdays)::bigint AS workdays
FROM (
    SELECT city, stopped_on, coalesce(category IN ('I', 'II'), false) AS category_1_2,
           count(*) AS cases, sum(counted_workdays) AS workdays
    FROM rebate_case
    WHERE status = 'stopped' AND normal AND stopped_on BETWEEN $1::date AND $2::date
    GROUP BY 1, 2, 3
) AS by_day
GROUP BY 1, 2, 3
