-- Cases that are accepted and have not ended, as of now.

-- One row a case: for lists of cases, hence with ids and amounts.
CREATE VIEW reporting.open_case AS
SELECT stored.case_id, stored.status, stored.normal, stored.lapsed,
       coalesce(stored.settled_verdict,
                CASE WHEN stored.breach_at <= now() THEN 'breached'
                     WHEN stored.at_risk_at <= now() THEN 'at_risk'
                     ELSE 'on_track' END) AS verdict,
       coalesce(stored.category, 'unknown') AS category,
       coalesce(city.code, 'other') AS city, coalesce(city.name_zh, '其他') AS city_name_zh,
       coalesce(city.name_en, 'Other') AS city_name_en,
       stored.office, coalesce(office.name_zh, stored.office) AS office_name_zh,
       coalesce(office.name_en, stored.office) AS office_name_en,
       coalesce(stored.rebate_type, 'unknown') AS rebate_type,
       stored.amount_cny, stored.whitelisted, stored.accepted_at,
       greatest(0, stored.counted_workdays
                   + coalesce(today.workday_number - since.workday_number, 0)) AS workdays,
       stored.limit_workdays, stored.due_date, stored.breach_at,
       due.workday_number - today.workday_number AS due_in_workdays,
       coalesce(today.provisional, false) OR coalesce(breach.provisional, false) AS provisional,
       CASE stored.stages -> -1 ->> 'case_stage'
           WHEN 'review' THEN 'approval' WHEN 'approval' THEN 'voucher' WHEN 'voucher' THEN 'treasury'
           ELSE 'review' END AS next_stage,
       suspension.reasons AS suspension_reasons, suspension.names_zh AS suspension_names_zh,
       suspension.names_en AS suspension_names_en, suspension.since AS suspended_since,
       today.workday_number - suspended.workday_number AS suspended_workdays,
       stored.anomalies, anomaly.names_zh AS anomaly_names_zh, anomaly.names_en AS anomaly_names_en,
       told.acknowledged
FROM rebate_case AS stored
-- Each case by the rules that it goes by: wholly the old ones until its turn has come.
CROSS JOIN LATERAL (
    SELECT greatest(stored.rules, settled) AS number FROM reporting.rules
) AS rules
LEFT JOIN place AS city ON city.code = stored.city
LEFT JOIN place AS office ON office.code = stored.office
LEFT JOIN rule_day AS today
    ON today.rules = rules.number AND today.day = (now() AT TIME ZONE 'Asia/Shanghai')::date
LEFT JOIN rule_day AS since ON since.rules = rules.number AND since.day = stored.running_since
LEFT JOIN rule_day AS due ON due.rules = rules.number AND due.day = stored.due_date
LEFT JOIN rule_day AS breach
    ON breach.rules = rules.number
   AND breach.day = (stored.breach_at AT TIME ZONE 'Asia/Shanghai')::date
LEFT JOIN LATERAL (
    SELECT array_agg(lasting.reason ORDER BY lasting.start) AS reasons,
           string_agg(word.name_zh, '、' ORDER BY lasting.start) AS names_zh,
           string_agg(word.name_en, ', ' ORDER BY lasting.start) AS names_en,
           min(lasting.start) AS since
    FROM jsonb_to_recordset(stored.suspensions)
        AS lasting (reason text, effect text, start timestamptz, "end" timestamptz)
    JOIN reporting.word ON word.kind = 'suspension_reason' AND word.code = lasting.reason
    WHERE lasting."end" IS NULL AND lasting.effect <> 'run'
) AS suspension ON stored.status = 'suspended'
LEFT JOIN rule_day AS suspended
    ON suspended.rules = rules.number
   AND suspended.day = (suspension.since AT TIME ZONE 'Asia/Shanghai')::date
LEFT JOIN LATERAL (
    SELECT string_agg(word.name_zh, '、') AS names_zh, string_agg(word.name_en, ', ') AS names_en
    FROM unnest(stored.anomalies) AS code JOIN reporting.word USING (code)
    WHERE word.kind = 'anomaly'
) AS anomaly ON stored.anomalies <> '{}'
LEFT JOIN LATERAL (
    -- Whether somebody took on the highest alert that people are told of.
    SELECT alert.acknowledged_at IS NOT NULL AS acknowledged
    FROM alert
    WHERE alert.case_id = stored.case_id AND alert.resolved_at IS NULL
      AND alert.kind <> 'corrected' AND NOT alert.silent
    ORDER BY alert.level DESC
    LIMIT 1
) AS told ON stored.alerted
WHERE stored.status IN ('running', 'suspended');

-- The same counted, without ids and amounts.
CREATE VIEW reporting.open_count AS
SELECT status, verdict, normal, category, city, city_name_zh, city_name_en,
       office, office_name_zh, office_name_en, rebate_type, next_stage,
       suspension_reasons, due_in_workdays, workdays, count(*) AS cases
FROM reporting.open_case
GROUP BY status, verdict, normal, category, city, city_name_zh, city_name_en,
         office, office_name_zh, office_name_en, rebate_type, next_stage,
         suspension_reasons, due_in_workdays, workdays;
