-- Made to leave the office: no number about fewer than three cases, neither shown nor to be had by
-- subtraction from a published total: where a city of a month must be hidden, others are hidden with it
-- until they are two or more with three cases or more, by code, since their choice by size would tell
-- their size. Months that are over only: from day to day a running one would show each case.
CREATE VIEW reporting.published_performance AS
WITH by_city AS (
    SELECT period AS month, city, city_name_zh, city_name_en, sum(n)::bigint AS n,
           sum(workdays_sum) / nullif(sum(n), 0) AS mean_workdays,
           sum(in_time) / nullif(sum(judged), 0) AS in_time_rate,
           sum(same_day) / nullif(sum(n), 0) AS same_day_rate
    FROM reporting.ended
    WHERE part = 'this' AND period LIKE '____-__'
      AND period < to_char(now() AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM')
    GROUP BY period, city, city_name_zh, city_name_en
    HAVING sum(n) > 0
),
ranked AS (
    SELECT *, bool_or(n < 3) OVER (PARTITION BY month) AS has_small,
           row_number() OVER small_first AS place,
           sum(n) OVER small_first - n AS hidden_before
    FROM by_city
    WINDOW small_first AS (PARTITION BY month ORDER BY n >= 3, city)
),
judged AS (
    SELECT *, has_small AND (n < 3 OR place <= 2 OR hidden_before < 3) AS suppressed FROM ranked
)
SELECT month, city, city_name_zh, city_name_en, suppressed,
       CASE WHEN NOT suppressed THEN n END AS n,
       CASE WHEN NOT suppressed THEN round(mean_workdays, 4) END AS mean_workdays,
       CASE WHEN NOT suppressed THEN round(in_time_rate, 4) END AS in_time_rate,
       CASE WHEN NOT suppressed THEN round(same_day_rate, 4) END AS same_day_rate
FROM judged;
