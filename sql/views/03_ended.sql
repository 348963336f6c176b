-- Cases whose clock ended, by period: sums and distributions without ids and amounts. `n` are the
-- normal cases that the official mean counts; mean = workdays_sum / n, in-time rate = in_time / judged.

CREATE VIEW reporting.ended AS
SELECT period.period, period.part, period.first, period.last,
       ended.workdays, ended.category, coalesce(city.code, 'other') AS city,
       coalesce(city.name_zh, '其他') AS city_name_zh, coalesce(city.name_en, 'Other') AS city_name_en,
       ended.office, coalesce(office.name_zh, ended.office) AS office_name_zh,
       coalesce(office.name_en, ended.office) AS office_name_en,
       ended.rebate_type, ended.limit_workdays,
       ended.n, ended.workdays * ended.n AS workdays_sum, ended.judged, ended.in_time,
       ended.same_day, ended.excluded, ended.rejected, ended.withdrawn
FROM reporting.period
CROSS JOIN LATERAL (
    SELECT counted_workdays AS workdays, coalesce(category, 'unknown') AS category, city, office,
           coalesce(rebate_type, 'unknown') AS rebate_type, limit_workdays,
           count(*) FILTER (WHERE normal) AS n,
           count(in_time) FILTER (WHERE normal) AS judged,
           count(*) FILTER (WHERE normal AND in_time) AS in_time,
           count(*) FILTER (WHERE normal AND same_day) AS same_day,
           count(*) FILTER (WHERE NOT normal) AS excluded,
           0 AS rejected, 0 AS withdrawn
    FROM rebate_case
    WHERE status = 'stopped' AND stopped_on BETWEEN period.first AND period.last
    GROUP BY 1, 2, 3, 4, 5, 6
    UNION ALL
    SELECT counted_workdays, coalesce(category, 'unknown'), city, office,
           coalesce(rebate_type, 'unknown'), limit_workdays, 0, 0, 0, 0, 0,
           count(*) FILTER (WHERE status = 'rejected'),
           count(*) FILTER (WHERE status = 'withdrawn')
    FROM rebate_case
    WHERE status IN ('rejected', 'withdrawn')
      AND ended_at >= period.first::timestamp AT TIME ZONE 'Asia/Shanghai'
      AND ended_at < (period.last + 1)::timestamp AT TIME ZONE 'Asia/Shanghai'
    GROUP BY 1, 2, 3, 4, 5, 6
) AS ended
LEFT JOIN place AS city ON city.code = ended.city
LEFT JOIN place AS office ON office.code = ended.office;

-- Open normal cases beside every mean of finished ones: what such a mean hides.
CREATE VIEW reporting.still_open AS
SELECT category, city, city_name_zh, city_name_en, office, office_name_zh, office_name_en,
       rebate_type, sum(cases)::bigint AS open_n, sum(workdays * cases)::bigint AS open_workdays_sum
FROM reporting.open_count
WHERE normal
GROUP BY category, city, city_name_zh, city_name_en, office, office_name_zh, office_name_en,
         rebate_type;

-- Running workdays between milestones, of normal cases whose clock stopped in the period. A stage is
-- named after the milestone that ends it; `treasury` lies after the stop.
CREATE VIEW reporting.stage AS
SELECT period.period, period.part, period.first, spent.case_stage, spent.workdays, spent.category,
       coalesce(city.code, 'other') AS city, coalesce(city.name_zh, '其他') AS city_name_zh,
       coalesce(city.name_en, 'Other') AS city_name_en,
       spent.office, coalesce(office.name_zh, spent.office) AS office_name_zh,
       coalesce(office.name_en, spent.office) AS office_name_en,
       spent.rebate_type, spent.n, spent.workdays * spent.n AS workdays_sum
FROM reporting.period
CROSS JOIN LATERAL (
    SELECT stage.case_stage, stage.workdays, coalesce(stored.category, 'unknown') AS category,
           stored.city, stored.office, coalesce(stored.rebate_type, 'unknown') AS rebate_type,
           count(*) AS n
    FROM rebate_case AS stored
    CROSS JOIN LATERAL jsonb_to_recordset(stored.stages) AS stage (case_stage text, workdays integer)
    WHERE stored.status = 'stopped' AND stored.normal
      AND stored.stopped_on BETWEEN period.first AND period.last
    GROUP BY 1, 2, 3, 4, 5, 6
) AS spent
LEFT JOIN place AS city ON city.code = spent.city
LEFT JOIN place AS office ON office.code = spent.office;

-- Suspensions that began in the period, by reason. `workdays` of one that lasts are those up to today.
CREATE VIEW reporting.suspension AS
SELECT period.period, period.part, spent.reason, spent.effect, spent.lasting, spent.workdays,
       spent.category, coalesce(city.code, 'other') AS city,
       coalesce(city.name_zh, '其他') AS city_name_zh, coalesce(city.name_en, 'Other') AS city_name_en,
       spent.office, coalesce(office.name_zh, spent.office) AS office_name_zh,
       coalesce(office.name_en, spent.office) AS office_name_en,
       spent.rebate_type, spent.n, spent.workdays * spent.n AS workdays_sum
FROM reporting.period
CROSS JOIN LATERAL (
    SELECT told.reason, told.effect, told."end" IS NULL AS lasting,
           until.workday_number - since.workday_number AS workdays,
           coalesce(stored.category, 'unknown') AS category, stored.city, stored.office,
           coalesce(stored.rebate_type, 'unknown') AS rebate_type, count(*) AS n
    FROM rebate_case AS stored
    CROSS JOIN LATERAL jsonb_to_recordset(stored.suspensions)
        AS told (reason text, effect text, start timestamptz, "end" timestamptz)
    CROSS JOIN LATERAL (
        SELECT greatest(stored.rules, settled) AS number FROM reporting.rules
    ) AS rules
    LEFT JOIN rule_day AS since
        ON since.rules = rules.number
       AND since.day = (told.start AT TIME ZONE 'Asia/Shanghai')::date
    LEFT JOIN rule_day AS until
        ON until.rules = rules.number
       AND until.day = (coalesce(told."end", stored.ended_at, now()) AT TIME ZONE 'Asia/Shanghai')::date
    WHERE stored.suspensions <> '[]'
      AND stored.accepted_at < (period.last + 1)::timestamp AT TIME ZONE 'Asia/Shanghai'
      AND told.start >= period.first::timestamp AT TIME ZONE 'Asia/Shanghai'
      AND told.start < (period.last + 1)::timestamp AT TIME ZONE 'Asia/Shanghai'
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
) AS spent
LEFT JOIN place AS city ON city.code = spent.city
LEFT JOIN place AS office ON office.code = spent.office;
