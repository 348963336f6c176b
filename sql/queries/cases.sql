-- name: add_missing_cases
-- Lock order: new rows by case_id here, then all rows by case_id in lock_cases. A row is waited for
-- here only while its first writer has not committed, so two batches can never wait in a ring.
-- The rules are held, shared with all other writers, up to the end of the transaction: they turn between
-- two batches, never within one.
INSERT INTO rebate_case (case_id)
SELECT unnest($1::text[])
WHERE (SELECT pg_advisory_xact_lock_shared(hashtext('rebate_monitor.rules'))) IS NOT NULL
ON CONFLICT (case_id) DO NOTHING

-- name: lock_cases
SELECT case_id, status, settled_verdict, normal, category, city, counted_workdays, stopped_on,
       at_risk_at, due_date, breach_at, in_time, same_day, events, policy_version, alert_instants,
       stages, suspensions, refiled_from, rules, course, rests_until, office, erased_at,
       (SELECT max(number) FROM rulebook_version) AS rules_in_force,
       (SELECT max(number) FROM schema_migration) AS migration
FROM rebate_case
WHERE case_id = ANY ($1::text[])
ORDER BY case_id
FOR UPDATE

-- name: events_of_cases
SELECT case_id, source, id, event_type, time, data, digest
FROM case_event
WHERE case_id = ANY ($1::text[])

-- name: append_events
-- What came in while a month was being closed, and was not seen by that, is received after it.
INSERT INTO case_event
    (case_id, source, id, event_type, time, data, extensions, digest, received_at)
SELECT case_id, source, id, event_type, time, data, extensions, digest,
       greatest($9, (SELECT max(known_at) + interval '1 microsecond' FROM frozen_month))
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[],
            $6::jsonb[], $7::jsonb[], $8::bytea[])
    AS told (case_id, source, id, event_type, time, data, extensions, digest)

-- name: write_cases
UPDATE rebate_case AS stored
SET status = new.status, settled_verdict = new.settled_verdict, normal = new.normal,
    lapsed = new.lapsed, category = new.category, office = new.office, city = new.city,
    rebate_type = new.rebate_type, amount_cny = new.amount_cny, whitelisted = new.whitelisted,
    policy_id = new.policy_id, limit_workdays = new.limit_workdays,
    accepted_at = new.accepted_at, ended_at = new.ended_at, stopped_on = new.stopped_on,
    counted_workdays = new.counted_workdays, running_since = new.running_since,
    due_date = new.due_date, at_risk_at = new.at_risk_at, breach_at = new.breach_at,
    urgent_at = coalesce(new.urgent_at, 'infinity'), in_time = new.in_time,
    same_day = new.same_day, anomalies = string_to_array(new.anomalies, ','),
    events = new.events, updated_at = now(), policy_version = new.policy_version,
    alert_instants = string_to_array(new.alert_instants, ',')::timestamptz[],
    -- The sweep looks at once at what it has raised; a case without alerts waits for its first.
    next_level = CASE WHEN NOT stored.alerted AND new.next_alert_at IS NOT NULL THEN 0 END,
    next_alert_at = CASE WHEN stored.alerted THEN '-infinity' ELSE new.next_alert_at END,
    -- An import silences what only imports have told of, not a case that was told of live.
    enforce_from = CASE WHEN stored.events = 0 OR stored.enforce_from IS NOT NULL
                        THEN coalesce($31, stored.enforce_from) END,
    changed_at = $32,
    changed_by = new.changed_by,
    stages = new.stages,
    suspensions = new.suspensions,
    refiled_from = new.refiled_from,
    rules = new.rules,
    course = new.course,
    rests_until = new.rests_until
FROM unnest($1::text[], $2::text[], $3::text[], $4::bool[], $5::bool[], $6::text[], $7::text[],
            $8::text[], $9::text[], $10::numeric[], $11::bool[], $12::text[], $13::int[],
            $14::timestamptz[], $15::timestamptz[], $16::date[], $17::int[], $18::date[],
            $19::date[], $20::timestamptz[], $21::timestamptz[], $22::timestamptz[], $23::bool[],
            $24::bool[], $25::text[], $26::text[], $27::int[], $28::text[], $29::timestamptz[],
            $30::jsonb[], $33::jsonb[], $34::jsonb[], $35::text[], $36::bigint[], $37::text[],
            $38::date[])
    AS new (case_id, status, settled_verdict, normal, lapsed, category, office, city, rebate_type,
            amount_cny, whitelisted, policy_id, limit_workdays, accepted_at, ended_at, stopped_on,
            counted_workdays, running_since, due_date, at_risk_at, breach_at, urgent_at, in_time,
            same_day, policy_version, anomalies, events, alert_instants, next_alert_at, changed_by,
            stages, suspensions, refiled_from, rules, course, rests_until)
WHERE stored.case_id = new.case_id

-- name: list_cases
-- $1 now, then one optional filter each, the keyset, the page size, the offices of a bound key, and one
-- filter more. Verdicts are those of
-- DESIGN 3.5: settled, or decided by the instants of the row.
SELECT case_id, urgent_at::text AS urgent_at, rules
FROM rebate_case
WHERE ($2::text IS NULL OR status = $2)
  AND ($3::text IS NULL OR $3 = coalesce(settled_verdict, CASE
          WHEN breach_at <= $1::timestamptz THEN 'breached'
          WHEN at_risk_at <= $1::timestamptz THEN 'at_risk'
          ELSE 'on_track' END))
  AND ($4::text IS NULL OR coalesce(category, 'unknown') = $4)
  AND ($5::text IS NULL OR city = $5)
  AND ($6::text IS NULL OR office = $6)
  AND ($7::date IS NULL OR due_date < $7)
  AND ($8::text IS NULL OR (urgent_at, case_id) > (($8::text)::timestamptz, $9::text))
  AND ($11::text[] IS NULL OR office LIKE ANY ($11))
  AND ($12::date IS NULL OR due_date >= $12)
ORDER BY rebate_case.urgent_at, case_id
LIMIT $10

-- name: rows_of_cases
SELECT case_id, status, settled_verdict, normal, category, city, counted_workdays, stopped_on,
       at_risk_at, due_date, breach_at, in_time, same_day, events, policy_version, alert_instants,
       stages, suspensions, refiled_from, rules, course, rests_until, office
FROM rebate_case
WHERE case_id = ANY ($1::text[])

-- name: case_ids_after
-- Every case in pages, for a recompute.
SELECT case_id FROM rebate_case WHERE case_id > $1 ORDER BY case_id LIMIT $2

-- name: receipts_of_cases
-- Every event of some cases with the moment at which it came.
SELECT case_id, source, id, event_type, time, data, digest, received_at
FROM case_event
WHERE case_id = ANY ($1::text[])
