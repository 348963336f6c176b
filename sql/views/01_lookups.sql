-- The rules and names that the running service goes by, and the days that reports are about.

-- The version in force, and the one that all cases go by at least: see the recompute of later ones.
CREATE VIEW reporting.rules AS
SELECT max(number) AS number,
       coalesce((SELECT max(rules) FROM recompute WHERE finished_at IS NOT NULL),
                min(number)) AS settled
FROM rulebook_version;

-- Each day from 2000 to 2099 with W(day), the notice behind it, and the policy and targets in force.
CREATE VIEW reporting.calendar AS
SELECT day, kind, name, notice, provisional, workday_number, policy_id, lapsed,
       target_all, target_category_1_2
FROM rule_day
WHERE rules = (SELECT number FROM reporting.rules);

-- Cases that are laid down anew by later rules; pending ones still go by those before.
CREATE VIEW reporting.recompute AS
SELECT recompute.number, recompute.rules, version.because, version.published_by, recompute.started_at,
       recompute.finished_at, recompute.cases, recompute.done, recompute.changed,
       recompute.due_dates_moved, recompute.breaches_made, recompute.breaches_unmade,
       CASE WHEN recompute.superseded_by IS NOT NULL THEN 'superseded'
            WHEN recompute.finished_at IS NULL THEN 'under_way' ELSE 'finished' END AS state
FROM recompute JOIN rulebook_version AS version ON version.number = recompute.rules;

-- What has no name here is shown together, as metric labels do.
CREATE VIEW reporting.city AS
SELECT code AS city, name_zh, name_en FROM place WHERE length(code) = 6
UNION ALL
SELECT 'other', '其他', 'Other';

CREATE VIEW reporting.office AS
SELECT code AS office, name_zh, name_en FROM place WHERE length(code) = 11;

-- Where the service is reached by people: [alerts] link, or the address it listens on.
CREATE VIEW reporting.service AS SELECT link FROM lookup_state;

-- Which categories a scope covers.
CREATE VIEW reporting.scope AS
SELECT * FROM (VALUES
    ('all', 'I'), ('all', 'II'), ('all', 'III'), ('all', 'IV'), ('all', 'unknown'),
    ('category_1_2', 'I'), ('category_1_2', 'II')) AS covered (scope, category);

-- The periods of the panels in Asia/Shanghai, both days included. `part` is what a period is compared
-- with: the one before it and the same a year ago, each up to the same day. Calendar months of the
-- last two years are periods of their own, named 2026-11. Targets are those of the last day.
CREATE VIEW reporting.period AS
WITH today AS (SELECT (now() AT TIME ZONE 'Asia/Shanghai')::date AS day),
begun AS (
    SELECT 'month' AS period, date_trunc('month', day)::date AS first, day AS last,
           interval '1 month' AS step
    FROM today
    UNION ALL
    SELECT 'last_month', (date_trunc('month', day) - interval '1 month')::date,
           (date_trunc('month', day) - interval '1 day')::date, interval '1 month'
    FROM today
    UNION ALL
    SELECT 'year', date_trunc('year', day)::date, day, interval '1 year' FROM today
    UNION ALL
    SELECT 'rolling_30d', day - 29, day, interval '30 days' FROM today
),
parts AS (
    SELECT period, 'this' AS part, first, last FROM begun
    UNION ALL
    -- A whole month is compared with a whole month, be it shorter or longer.
    SELECT period, 'previous', (first - step)::date,
           CASE WHEN period = 'last_month' THEN first - 1
                ELSE least((last - step)::date, first - 1) END
    FROM begun
    UNION ALL
    SELECT period, 'year_ago', (first - interval '1 year')::date,
           CASE WHEN period = 'last_month'
                THEN (first - interval '1 year' + interval '1 month' - interval '1 day')::date
                ELSE (last - interval '1 year')::date END
    FROM begun
    UNION ALL
    SELECT to_char(month, 'YYYY-MM'), 'this', month::date,
           least((month + interval '1 month' - interval '1 day')::date, day)
    FROM today, generate_series(date_trunc('month', day) - interval '23 months',
                                date_trunc('month', day), interval '1 month') AS month
)
SELECT parts.*, rule.target_all, rule.target_category_1_2
FROM parts LEFT JOIN reporting.calendar AS rule ON rule.day = parts.last;

-- What codes are called (DESIGN 2), where a cell holds several of them.
CREATE VIEW reporting.word AS
SELECT * FROM (VALUES
    ('suspension_reason', 'supplement', '补正', 'supplement'),
    ('suspension_reason', 'verification', '疑点核实', 'verification'),
    ('suspension_reason', 'correspondence', '函调', 'correspondence'),
    ('suspension_reason', 'onsite', '实地核查', 'on-site check'),
    ('suspension_reason', 'hold', '暂不办理', 'hold'),
    ('suspension_reason', 'other', '其他原因', 'other'),
    ('anomaly', 'before_acceptance', '受理前已有事件', 'before acceptance'),
    ('anomaly', 'after_end', '办结后仍有事件', 'after the end'),
    ('anomaly', 'accepted_again', '重复受理', 'accepted again'),
    ('anomaly', 'repeated_milestone', '环节重复', 'repeated milestone'),
    ('anomaly', 'resumed_while_running', '未暂缓而恢复', 'resumed while running'),
    ('anomaly', 'suspended_while_suspended', '暂缓中再暂缓', 'suspended while suspended'),
    ('anomaly', 'stopped_while_suspended', '暂缓中办结', 'stopped while suspended'),
    ('anomaly', 'paid_without_stop', '未开退还书即退库', 'paid without a voucher'),
    ('anomaly', 'unknown_category', '管理类别未知', 'unknown category'),
    ('anomaly', 'retracts_nothing', '撤回的事件不存在', 'retracts nothing')
) AS word (kind, code, name_zh, name_en);
