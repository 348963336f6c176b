-- name: only_one_sweep
-- Held to the end of the transaction: any replica may sweep, one does.
SELECT pg_try_advisory_xact_lock(hashtext('rebate_monitor.sweep'))

-- name: lock_changed_cases
-- Cases with alerts whose facts or rules have changed; locked by case_id like every batch of events,
-- so that no ring can form.
SELECT case_id, status, alert_instants, changed_by, policy_version, city, office, category,
       whitelisted, limit_workdays, due_date
FROM rebate_case
WHERE next_alert_at <= '-infinity'
ORDER BY next_alert_at, case_id
LIMIT $1
FOR UPDATE

-- name: raise_due
-- Raise what time has brought: the next level of cases at the earliest instant that has passed, so
-- that after an outage all cases catch up in instant order. What follows is the level above; where
-- that one was raised before, the sweep has to look. Counts what was raised.
WITH first AS MATERIALIZED (
    SELECT min(next_alert_at) AS at FROM rebate_case
    WHERE next_alert_at > '-infinity' AND next_alert_at <= $1::timestamptz
), due AS (
    -- A range of one instant, not an equality: only the index by instant can serve this order, and
    -- no plan walks over all the cases that are done with.
    SELECT case_id, next_level AS level, next_alert_at AS at, alert_instants, enforce_from,
           changed_at, changed_by, policy_version, city, office, category, whitelisted,
           limit_workdays, due_date
    FROM rebate_case
    WHERE next_alert_at >= (SELECT at FROM first) AND next_alert_at <= (SELECT at FROM first)
    ORDER BY next_alert_at, case_id
    LIMIT $2
    FOR UPDATE
), new AS (
    SELECT due.*, known.higher,
           CASE level WHEN 0 THEN 'at_risk' WHEN 1 THEN 'breached' ELSE 'overdue' END AS kind,
           coalesce(known.occurrence, 0) + 1 AS occurrence
    FROM due CROSS JOIN LATERAL (
        SELECT max(alert.occurrence) FILTER (WHERE alert.level = due.level) AS occurrence,
               coalesce(bool_or(alert.level > due.level), false) AS higher
        FROM alert
        WHERE alert.case_id = due.case_id AND alert.kind <> 'corrected'
    ) AS known
), planned AS (
    UPDATE rebate_case AS stored
    SET alerted = true,
        next_level = CASE WHEN NOT higher AND cardinality(new.alert_instants) > level + 1
                          THEN level + 1 END,
        next_alert_at = CASE WHEN higher THEN '-infinity' ELSE new.alert_instants[level + 2] END
    FROM new
    WHERE stored.case_id = new.case_id
      AND stored.case_id = ANY (ARRAY(SELECT case_id FROM due))  -- by the key, however many cases
), raised AS (
    INSERT INTO alert
        (case_id, kind, level, policy_version, occurrence, alert_id, city, office, category,
         whitelisted, limit_workdays, due_date, at, silent, cause, raised_at)
    SELECT case_id, kind, level, policy_version, occurrence,
           encode(substring(sha256(convert_to(concat_ws(
               E'\n', case_id, kind, level, policy_version, occurrence), 'UTF8')) FOR 12), 'hex'),
           city, office, category, whitelisted, limit_workdays, due_date, at,
           at < greatest($3::timestamptz, enforce_from),
           CASE WHEN at > changed_at THEN '{"because": "time"}' ELSE changed_by END, $1
    FROM new
    ORDER BY case_id
    RETURNING kind, city, silent
)
SELECT kind, city, silent, count(*) AS alerts FROM raised GROUP BY kind, city, silent

-- name: alerts_of_cases
-- All alerts of some cases, the latest of a level last.
SELECT known.*
FROM unnest($1::text[]) AS wanted (case_id) CROSS JOIN LATERAL (
    SELECT case_id, kind, level, occurrence, alert_id, city, office, category, whitelisted, at,
           due_date, limit_workdays, silent, resolution, acknowledged_at
    FROM alert
    WHERE alert.case_id = wanted.case_id
    OFFSET 0  -- looked up case by case: a plan made without statistics would read all alerts
) AS known
ORDER BY case_id, level, occurrence

-- name: raise_corrections
INSERT INTO alert
    (case_id, kind, level, policy_version, occurrence, alert_id, city, office, category,
     whitelisted, limit_workdays, due_date, cause, at, silent, raised_at, resolved_at)
SELECT new.*, $14::timestamptz, false, $14::timestamptz, $14::timestamptz
FROM unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::int[], $6::text[], $7::text[],
            $8::text[], $9::text[], $10::bool[], $11::int[], $12::date[], $13::jsonb[]) AS new

-- name: resolve_alerts
UPDATE alert AS stored
SET resolved_at = coalesce(stored.resolved_at, $6), resolution = new.resolution,
    resolved_cause = new.cause, undone_by = new.undone_by
FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::text[])
    AS new (case_id, alert_id, resolution, cause, undone_by)
WHERE stored.case_id = new.case_id AND stored.alert_id = new.alert_id

-- name: revise_alerts
-- An open alert follows its case: to the office that now answers for it, to its new due date.
UPDATE alert AS stored
SET city = new.city, office = new.office, category = new.category, whitelisted = new.whitelisted,
    at = new.at, due_date = new.due_date, limit_workdays = new.limit_workdays
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bool[],
            $7::timestamptz[], $8::date[], $9::int[])
    AS new (case_id, alert_id, city, office, category, whitelisted, at, due_date, limit_workdays)
WHERE stored.case_id = new.case_id AND stored.alert_id = new.alert_id

-- name: show_again
-- Channels look again at these alerts; who was told of one is not told again.
UPDATE alert AS stored
SET seq = DEFAULT
FROM unnest($1::text[], $2::text[]) AS new (case_id, alert_id)
WHERE stored.case_id = new.case_id AND stored.alert_id = new.alert_id

-- name: plan_next_levels
UPDATE rebate_case AS stored
SET next_level = new.next_level, next_alert_at = new.next_alert_at
FROM unnest($1::text[], $2::int[], $3::timestamptz[]) AS new (case_id, next_level, next_alert_at)
WHERE stored.case_id = new.case_id

-- name: next_due_instant
SELECT greatest(min(next_alert_at), 'epoch') FROM rebate_case WHERE next_alert_at IS NOT NULL

-- name: note_sweep
UPDATE alerting_state SET last_success_at = $1::timestamptz
WHERE last_success_at IS NULL OR last_success_at < $1::timestamptz - interval '5 seconds'
   OR last_success_at > $1

-- name: alerting_state
SELECT enforce_from, last_success_at FROM alerting_state

-- name: unfolded_open_cases
-- Open cases from before the alerts were there: they have no instants until they are recomputed.
SELECT count(*) FROM rebate_case
WHERE status IN ('running', 'suspended') AND alert_instants IS NULL

-- name: list_alerts
-- The latest first. The state, optional filters, the keyset and the page's size; planned for its
-- arguments each time, so that each filter finds its index.
SELECT case_id, kind, level, policy_version, occurrence, alert_id, seq, city, office, category,
       whitelisted, limit_workdays, due_date, at, silent, cause, raised_at, resolved_at, resolution,
       resolved_cause, undone_by, acknowledged_at, acknowledged_by, acknowledged_key, note,
       (SELECT array_agg(channel ORDER BY channel)
        FROM alert_told
        WHERE alert_told.case_id = alert.case_id AND alert_told.alert_id = alert.alert_id) AS told
FROM alert
WHERE ($1::text IS DISTINCT FROM 'open' OR resolved_at IS NULL)
  AND ($1::text IS DISTINCT FROM 'resolved' OR resolved_at IS NOT NULL)
  AND ($2::text IS NULL OR kind = $2)
  AND ($3::int IS NULL OR level = $3)
  AND ($4::text IS NULL OR city = $4)
  AND ($5::text IS NULL OR office = $5)
  AND ($6::text IS NULL OR case_id = $6)
  AND ($7::timestamptz IS NULL OR raised_at >= $7)
  AND ($8::bool IS NULL OR (acknowledged_at IS NOT NULL) = $8)
  AND ($9::bigint IS NULL OR seq < $9)
  AND ($11::text[] IS NULL OR office LIKE ANY ($11))
ORDER BY seq DESC
LIMIT $10

-- name: plan_for_arguments
SET LOCAL plan_cache_mode = force_custom_plan

-- name: look_at_case_of_alert
-- An acknowledgement may end the step-up. Locks the case before its alert, as the sweep does.
UPDATE rebate_case SET next_level = NULL, next_alert_at = '-infinity'
WHERE case_id IN (SELECT case_id FROM alert WHERE alert_id = $1)

-- name: lock_alert
SELECT case_id, level, office, resolved_at, acknowledged_at, acknowledged_by, note
FROM alert
WHERE alert_id = $1
FOR UPDATE

-- name: acknowledge_alert
-- Who takes an alert on takes on what led to it: the open alerts of the case up to its level.
UPDATE alert SET acknowledged_at = $3, acknowledged_by = $4, acknowledged_key = $5, note = $6
WHERE case_id = $1 AND level <= $2 AND resolved_at IS NULL AND acknowledged_at IS NULL
RETURNING kind, city, silent

-- name: supervised_offices
-- Each open case with an alert counts once, by its highest level; the oldest breach dates the
-- office's arrears. $1 and $2 narrow to a city and an office, $3 to those of a bound key.
WITH open_case AS (
    SELECT case_id, max(office) AS office, max(city) AS city, max(level) AS level,
           bool_or(acknowledged_at IS NOT NULL AND level >= 1) AS acknowledged,
           min(at) FILTER (WHERE level >= 1) AS breached_at, min(at) AS at
    FROM alert
    WHERE resolved_at IS NULL
      AND ($1::text IS NULL OR city = $1) AND ($2::text IS NULL OR office = $2)
      AND ($3::text[] IS NULL OR office LIKE ANY ($3))
    GROUP BY case_id
)
SELECT office, city, count(*) FILTER (WHERE level = 0) AS at_risk,
       count(*) FILTER (WHERE level = 1) AS breached,
       count(*) FILTER (WHERE level > 1) AS overdue,
       count(*) FILTER (WHERE acknowledged) AS acknowledged,
       max(level) AS highest_level, min(breached_at) AS oldest_breach_at
FROM open_case
GROUP BY office, city
ORDER BY min(breached_at) NULLS LAST, office
