-- Closed months as they were reported, as of now, and the correction: how many normal cases stopped in
-- the month, and their mean workdays. The cases behind a difference: `rebate-monitor month show`.
CREATE VIEW reporting.frozen_month AS
WITH frozen AS (
    SELECT month, told ->> 'by' AS group_by, told -> 'evaluated' ->> 'group' AS "group",
           told -> 'evaluated' ->> 'scope' AS scope,
           (told -> 'evaluated' -> 'performance' ->> 'n')::bigint AS n,
           (told -> 'evaluated' ->> 'workdays_sum')::bigint AS workdays_sum
    FROM frozen_month CROSS JOIN LATERAL jsonb_array_elements(groups) AS told
),
counted AS (
    SELECT closed.month, grouped.*
    FROM frozen_month AS closed
    CROSS JOIN LATERAL (
        SELECT CASE WHEN grouping(kind) = 0 THEN 'category' WHEN grouping(city) = 0 THEN 'city'
                    WHEN grouping(office) = 0 THEN 'office'
                    WHEN grouping(rebate_type) = 0 THEN 'rebate_type' ELSE 'none' END AS group_by,
               coalesce(kind, city, office, rebate_type) AS "group", scope.scope,
               count(*) AS n, sum(counted_workdays)::bigint AS workdays_sum
        FROM (
            SELECT coalesce(category, 'unknown') AS kind, city, office,
                   coalesce(rebate_type, 'unknown') AS rebate_type, counted_workdays
            FROM rebate_case
            WHERE status = 'stopped' AND normal
              AND stopped_on >= (closed.month || '-01')::date
              AND stopped_on < ((closed.month || '-01')::date + interval '1 month')::date
        ) AS stopped
        JOIN reporting.scope ON scope.category = stopped.kind
        GROUP BY GROUPING SETS ((scope.scope), (scope.scope, kind), (scope.scope, city),
                                (scope.scope, office), (scope.scope, rebate_type))
    ) AS grouped
),
figures AS (
    SELECT coalesce(frozen.month, counted.month) AS month,
           coalesce(frozen.group_by, counted.group_by) AS group_by,
           coalesce(frozen."group", counted."group") AS "group",
           coalesce(frozen.scope, counted.scope) AS scope,
           coalesce(frozen.n, 0) AS frozen_n,
           frozen.workdays_sum::numeric / nullif(frozen.n, 0) AS frozen_mean_workdays,
           coalesce(counted.n, 0) AS current_n,
           counted.workdays_sum::numeric / nullif(counted.n, 0) AS current_mean_workdays
    FROM frozen FULL JOIN counted
        ON counted.month = frozen.month AND counted.group_by = frozen.group_by
       AND counted.scope = frozen.scope
       AND coalesce(counted."group", '') = coalesce(frozen."group", '')
)
SELECT figures.month, closed.closed_at, figures.group_by, figures."group",
       coalesce(place.name_zh, figures."group", '合计') AS group_name_zh,
       coalesce(place.name_en, figures."group", 'Total') AS group_name_en,
       figures.scope, frozen_n, frozen_mean_workdays, current_n, current_mean_workdays,
       current_n - frozen_n AS correction_n,
       current_mean_workdays - frozen_mean_workdays AS correction_mean_workdays
FROM figures
JOIN frozen_month AS closed ON closed.month = figures.month
LEFT JOIN place ON figures.group_by IN ('city', 'office') AND place.code = figures."group"
WHERE frozen_n > 0 OR current_n > 0;
