-- name: stopped_distribution
-- Normal cases stopped from $1 to $2 (both included), by group and workdays. $3 names the group. The
-- name of a month is made of the grouped rows: made of each case it would take half of all the time.
SELECT coalesce("group", to_char(month, 'YYYY-MM')) AS "group", category_1_2, workdays,
       sum(cases)::bigint AS cases, sum(judged)::bigint AS judged, sum(in_time)::bigint AS in_time,
       sum(same_day)::bigint AS same_day, sum(amount_cny) AS amount_cny
FROM (
    SELECT CASE $3::text
               WHEN 'category' THEN coalesce(category, 'unknown')
               WHEN 'city' THEN city
               WHEN 'office' THEN office
               WHEN 'rebate_type' THEN coalesce(rebate_type, 'unknown')
           END AS "group",
           CASE WHEN $3::text = 'month' THEN date_trunc('month', stopped_on::timestamp) END AS month,
           coalesce(category IN ('I', 'II'), false) AS category_1_2,
           counted_workdays AS workdays,
           count(*) AS cases,
           count(in_time) AS judged,
           count(*) FILTER (WHERE in_time) AS in_time,
           count(*) FILTER (WHERE same_day) AS same_day,
           coalesce(sum(amount_cny), 0) AS amount_cny
    FROM rebate_case
    WHERE status = 'stopped' AND normal AND stopped_on BETWEEN $1::date AND $2::date
    GROUP BY 1, 2, 3, 4
) AS counted
GROUP BY 1, 2, 3

-- name: open_distribution
-- Normal open cases by group and by what their count is made of: counted_workdays on running_since
-- (NULL while suspended), to which the calendar of the rules that a case goes by adds the workdays
-- since; $3 are those that all go by at least. $2 is the month into which a case stopped now would fall.
SELECT CASE $1::text
           WHEN 'category' THEN coalesce(category, 'unknown')
           WHEN 'city' THEN city
           WHEN 'office' THEN office
           WHEN 'month' THEN $2::text
           WHEN 'rebate_type' THEN coalesce(rebate_type, 'unknown')
       END AS "group",
       coalesce(category IN ('I', 'II'), false) AS category_1_2,
       counted_workdays, running_since, greatest(rules, $3::bigint) AS rules, count(*) AS cases
FROM rebate_case
WHERE status IN ('running', 'suspended') AND normal
GROUP BY 1, 2, 3, 4, 5

-- name: left_out
-- Cases whose clock ended in the period but that no mean counts, by group.
SELECT CASE $3::text
           WHEN 'category' THEN coalesce(category, 'unknown')
           WHEN 'city' THEN city
           WHEN 'office' THEN office
           WHEN 'month' THEN to_char(ended_at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM')
           WHEN 'rebate_type' THEN coalesce(rebate_type, 'unknown')
       END AS "group",
       coalesce(category IN ('I', 'II'), false) AS category_1_2,
       count(*) FILTER (WHERE status = 'stopped') AS excluded,
       count(*) FILTER (WHERE status = 'rejected') AS rejected,
       count(*) FILTER (WHERE status = 'withdrawn') AS withdrawn
FROM rebate_case
WHERE ((status = 'stopped' AND NOT normal AND stopped_on BETWEEN $1::date AND $2::date)
    OR (status IN ('rejected', 'withdrawn')
        AND ended_at >= ($1::date)::timestamp AT TIME ZONE 'Asia/Shanghai'
        AND ended_at < ($2::date + 1)::timestamp AT TIME ZONE 'Asia/Shanghai'))
GROUP BY 1, 2
