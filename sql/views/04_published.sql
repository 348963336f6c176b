-- Made to leave the office: no number about fewer than three cases, neither shown nor to be had by
-- subtraction. Where one city of a month must be hidden, so must the smallest of the others.
CREATE VIEW reporting.published_performance AS
WITH by_city AS (
    SELECT period AS month, city, city_name_zh, city_name_en, sum(n)::bigint AS n,
           sum(workdays_sum) / nullif(sum(n), 0) AS mean_workdays,
           sum(in_time) / nullif(sum(judged), 0) AS in_time_rate,
           sum(same_day) / nullif(sum(n), 0) AS same_day_rate
    FROM reporting.ended
    WHERE part = 'this' AND period LIKE '____-__'
    GROUP BY period, city, city_name_zh, city_name_en
    HAVING sum(n) > 0
),
ranked AS (
    SELECT *, count(*) FILTER (WHERE n < 3) OVER (PARTITION BY month) AS small_cities,
           row_number() OVER (PARTITION BY month ORDER BY n, city) AS place
    FROM by_city
),
judged AS (
    SELECT *, n < 3 OR (small_cities = 1 AND place = 2) AS suppressed FROM ranked
)
SELECT month, city, city_name_zh, city_name_en, suppressed,
       CASE WHEN NOT suppressed THEN n END AS n,
       CASE WHEN NOT suppressed THEN round(mean_workdays, 4) END AS mean_workdays,
       CASE WHEN NOT suppressed THEN round(in_time_rate, 4) END AS in_time_rate,
       CASE WHEN NOT suppressed THEN round(same_day_rate, 4) END AS same_day_rate
FROM judged;
