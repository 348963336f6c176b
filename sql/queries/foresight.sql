-- name: open_cases_ahead
-- Open cases by all that foresight asks of a case; $1 and $2 are an optional city and category, $3 the
-- rules that all cases go by at least.
SELECT city, category, normal, counted_workdays, running_since, due_date,
       (at_risk_at AT TIME ZONE 'Asia/Shanghai')::date AS at_risk_on,
       (breach_at AT TIME ZONE 'Asia/Shanghai')::date AS breach_on,
       greatest(rules, $3::bigint) AS rules,
       count(*) AS cases
FROM rebate_case
WHERE status IN ('running', 'suspended')
  AND ($1::text IS NULL OR city = $1)
  AND ($2::text IS NULL OR coalesce(category, 'unknown') = $2)
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9

-- name: finished_so_far
-- Normal cases that stopped from $1 to $2 (both included), of an optional city and category.
SELECT coalesce(category IN ('I', 'II'), false) AS category_1_2,
       count(*) AS cases, sum(counted_workdays) AS workdays
FROM rebate_case
WHERE status = 'stopped' AND normal AND stopped_on BETWEEN $1::date AND $2::date
  AND ($3::text IS NULL OR city = $3)
  AND ($4::text IS NULL OR coalesce(category, 'unknown') = $4)
GROUP BY 1

-- name: pace_of_cities
-- How long the normal cases took that stopped from $1 to $2 (both included), in every city.
SELECT city, coalesce(category IN ('I', 'II'), false) AS category_1_2,
       counted_workdays AS workdays, count(*) AS cases
FROM rebate_case
WHERE status = 'stopped' AND normal AND stopped_on BETWEEN $1::date AND $2::date
GROUP BY 1, 2, 3

-- name: month_foreseen
-- What was last foreseen from $1 to $2, the month so far; nothing when nobody has looked ahead in it.
SELECT scope, assumption, mean_workdays, foreseen_at
FROM month_foreseen
WHERE foreseen_on BETWEEN $1::date AND $2::date

-- name: keep_month_foreseen
INSERT INTO month_foreseen (scope, assumption, mean_workdays, foreseen_on, foreseen_at)
SELECT scope, assumption, mean_workdays, $4::date, $5::timestamptz
FROM unnest($1::text[], $2::text[], $3::float8[]) AS told (scope, assumption, mean_workdays)
ORDER BY scope, assumption
ON CONFLICT (scope, assumption)
DO UPDATE SET mean_workdays = excluded.mean_workdays, foreseen_on = excluded.foreseen_on,
              foreseen_at = excluded.foreseen_at
