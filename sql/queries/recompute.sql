-- name: only_one_recompute
-- Held to the end of the transaction: any replica or command may do the next page, one does.
SELECT pg_try_advisory_xact_lock(hashtext('rebate_monitor.recompute'))

-- name: hold_rules
-- The rules stay as they are to the end of the transaction.
SELECT pg_advisory_xact_lock_shared(hashtext('rebate_monitor.rules'))

-- name: recompute_under_way
SELECT number, rules, stretches, refolds, started_at, progressed_at, finished_at, cases, done, changed,
       due_dates_moved, breaches_made, breaches_unmade, done_through, superseded_by
FROM recompute
WHERE finished_at IS NULL AND superseded_by IS NULL

-- name: recompute_numbered
SELECT number, rules, stretches, refolds, started_at, progressed_at, finished_at, cases, done, changed,
       due_dates_moved, breaches_made, breaches_unmade, done_through, superseded_by
FROM recompute
WHERE number = $1

-- name: latest_recomputes
SELECT number, rules, stretches, refolds, started_at, progressed_at, finished_at, cases, done, changed,
       due_dates_moved, breaches_made, breaches_unmade, done_through, superseded_by
FROM recompute
ORDER BY number DESC
LIMIT $1

-- name: begin_recompute
INSERT INTO recompute (rules, stretches, refolds, started_at, finished_at)
VALUES ($1, $2, $3, $4, $5)
RETURNING number

-- name: supersede_recomputes
UPDATE recompute SET superseded_by = $1
WHERE finished_at IS NULL AND superseded_by IS NULL AND number <> $1

-- name: count_touched_cases
SELECT count(*)
FROM rebate_case AS stored
WHERE EXISTS (
          SELECT FROM unnest($1::date[], $2::date[], $3::date[])
              AS stretch (first, last, rests_from)
          WHERE (stretch.first IS NULL OR stored.accepted_at
                 >= stretch.first::timestamp AT TIME ZONE 'Asia/Shanghai')
            AND (stretch.last IS NULL OR stored.accepted_at
                 < (stretch.last + 1)::timestamp AT TIME ZONE 'Asia/Shanghai')
            AND (stretch.rests_from IS NULL
                 OR coalesce(stored.rests_until, 'infinity') >= stretch.rests_from))

-- name: note_touched_cases
UPDATE recompute SET cases = $2, progressed_at = $3 WHERE number = $1

-- name: note_recomputed
UPDATE recompute
SET done = done + $2, done_through = $3, progressed_at = $4, changed = changed + $5,
    due_dates_moved = due_dates_moved + $6, breaches_made = breaches_made + $7,
    breaches_unmade = breaches_unmade + $8
WHERE number = $1

-- name: finish_recompute
-- A case may have come or gone since they were counted.
UPDATE recompute SET finished_at = $2, progressed_at = $2, cases = done WHERE number = $1

-- name: has_cases
-- A case that the same transaction has just begun has no event yet, and nobody has laid it down.
SELECT EXISTS (SELECT FROM rebate_case WHERE events > 0)

-- name: touched_case_ids
-- The touched cases of the next stretch of the key, in order, and the last case id of the stretch.
WITH stretch_of_key AS (
    SELECT max(case_id) AS last
    FROM (SELECT case_id FROM rebate_case WHERE case_id > $1 ORDER BY case_id LIMIT $5) AS next
)
SELECT last, ARRAY(
    SELECT case_id
    FROM rebate_case AS stored
    WHERE case_id > $1 AND case_id <= last
      AND EXISTS (
          SELECT FROM unnest($2::date[], $3::date[], $4::date[])
              AS stretch (first, last, rests_from)
          WHERE (stretch.first IS NULL OR stored.accepted_at
                 >= stretch.first::timestamp AT TIME ZONE 'Asia/Shanghai')
            AND (stretch.last IS NULL OR stored.accepted_at
                 < (stretch.last + 1)::timestamp AT TIME ZONE 'Asia/Shanghai')
            AND (stretch.rests_from IS NULL
                 OR coalesce(stored.rests_until, 'infinity') >= stretch.rests_from))
    ORDER BY case_id
) AS case_ids
FROM stretch_of_key

-- name: touched_courses
-- The courses that the touched cases took, as far as $4 has nothing to say of them yet.
SELECT DISTINCT course
FROM rebate_case AS stored
WHERE course IS NOT NULL
  AND EXISTS (
          SELECT FROM unnest($1::date[], $2::date[], $3::date[])
              AS stretch (first, last, rests_from)
          WHERE (stretch.first IS NULL OR stored.accepted_at
                 >= stretch.first::timestamp AT TIME ZONE 'Asia/Shanghai')
            AND (stretch.last IS NULL OR stored.accepted_at
                 < (stretch.last + 1)::timestamp AT TIME ZONE 'Asia/Shanghai')
            AND (stretch.rests_from IS NULL
                 OR coalesce(stored.rests_until, 'infinity') >= stretch.rests_from))
  AND NOT EXISTS (SELECT FROM recompute_course AS known
                  WHERE known.rules = $4 AND known.course = stored.course)

-- name: lay_page
-- The next stretch of the key: its touched cases are locked in order, and those that come out otherwise
-- are written as their course was assessed. Answers how many were looked at, the last case id of the
-- stretch, and the changes by all that the tallies and counts are read off. Instants of ended cases are
-- in no tally, nor the city of those that are in time.
WITH stretch_of_key AS (
    SELECT max(case_id) AS last
    FROM (SELECT case_id FROM rebate_case WHERE case_id > $1 ORDER BY case_id LIMIT $5) AS next
), page AS MATERIALIZED (
    SELECT case_id, course, status, category, city, stopped_on, rules, settled_verdict, normal,
           lapsed, policy_id, policy_version, limit_workdays, counted_workdays, running_since,
           due_date, at_risk_at, breach_at, urgent_at, in_time, same_day, alert_instants, stages,
           rests_until, status IN ('running', 'suspended') AS is_open
    FROM rebate_case AS stored
    WHERE case_id > $1 AND case_id <= (SELECT last FROM stretch_of_key)
      AND EXISTS (
          SELECT FROM unnest($2::date[], $3::date[], $4::date[])
              AS stretch (first, last, rests_from)
          WHERE (stretch.first IS NULL OR stored.accepted_at
                 >= stretch.first::timestamp AT TIME ZONE 'Asia/Shanghai')
            AND (stretch.last IS NULL OR stored.accepted_at
                 < (stretch.last + 1)::timestamp AT TIME ZONE 'Asia/Shanghai')
            AND (stretch.rests_from IS NULL
                 OR coalesce(stored.rests_until, 'infinity') >= stretch.rests_from))
    ORDER BY case_id
    FOR UPDATE
), turned AS MATERIALIZED (
    SELECT page.case_id, page.status, page.category, page.city, page.stopped_on, page.rules,
           page.is_open, page.policy_version AS policy_version_before,
           page.settled_verdict AS settled_verdict_before, page.normal AS normal_before,
           page.counted_workdays AS counted_workdays_before, page.in_time AS in_time_before,
           page.same_day AS same_day_before, page.at_risk_at AS at_risk_at_before,
           page.due_date AS due_date_before, page.breach_at AS breach_at_before,
           new.settled_verdict, new.normal, new.lapsed, new.policy_id, new.policy_version,
           new.limit_workdays, new.counted_workdays, new.running_since, new.due_date,
           new.at_risk_at, new.breach_at, new.urgent_at, new.in_time, new.same_day,
           new.alert_instants, new.next_alert_at, new.stages, new.rests_until
    FROM page JOIN recompute_course AS new ON new.rules = $6 AND new.course = page.course
    WHERE (page.settled_verdict, page.normal, page.lapsed, page.policy_id, page.policy_version,
             page.limit_workdays, page.counted_workdays, page.running_since, page.due_date,
             page.at_risk_at, page.breach_at, nullif(page.urgent_at, 'infinity'), page.in_time,
             page.same_day, page.alert_instants, page.stages, page.rests_until)
          IS DISTINCT FROM
            (new.settled_verdict, new.normal, new.lapsed, new.policy_id, new.policy_version,
             new.limit_workdays, new.counted_workdays, new.running_since, new.due_date,
             new.at_risk_at, new.breach_at, new.urgent_at, new.in_time, new.same_day,
             new.alert_instants, new.stages, new.rests_until)
), laid AS (
    UPDATE rebate_case AS stored
    SET settled_verdict = new.settled_verdict, normal = new.normal, lapsed = new.lapsed,
        policy_id = new.policy_id, policy_version = new.policy_version,
        limit_workdays = new.limit_workdays, counted_workdays = new.counted_workdays,
        running_since = new.running_since, due_date = new.due_date, at_risk_at = new.at_risk_at,
        breach_at = new.breach_at, urgent_at = coalesce(new.urgent_at, 'infinity'),
        in_time = new.in_time, same_day = new.same_day, alert_instants = new.alert_instants,
        next_level = CASE WHEN NOT stored.alerted AND new.next_alert_at IS NOT NULL THEN 0 END,
        next_alert_at = CASE WHEN stored.alerted THEN '-infinity' ELSE new.next_alert_at END,
        stages = new.stages, rests_until = new.rests_until, rules = $6, changed_at = $7,
        changed_by = CASE WHEN new.policy_version IS DISTINCT FROM new.policy_version_before
                          THEN jsonb_strip_nulls(jsonb_build_object(
                              'because', 'policy', 'version', new.policy_version, 'rules', $6))
                          ELSE $8::jsonb END,
        updated_at = now()
    FROM turned AS new
    WHERE stored.case_id = new.case_id
)
SELECT looked.cases, looked.last, changed.*
FROM (SELECT (SELECT count(*) FROM page) AS cases, last FROM stretch_of_key) AS looked
LEFT JOIN (
    SELECT status, category, stopped_on, rules,
           CASE WHEN is_open OR 'missed' IN (settled_verdict_before, settled_verdict)
                THEN city END AS city,
           settled_verdict_before, settled_verdict, normal_before, normal,
           counted_workdays_before, counted_workdays, in_time_before, in_time,
           same_day_before, same_day,
           CASE WHEN is_open THEN at_risk_at_before END AS at_risk_at_before,
           CASE WHEN is_open THEN at_risk_at END AS at_risk_at,
           CASE WHEN is_open THEN due_date_before END AS due_date_before,
           CASE WHEN is_open THEN due_date END AS due_date,
           CASE WHEN is_open THEN breach_at_before END AS breach_at_before,
           CASE WHEN is_open THEN breach_at END AS breach_at,
           due_date_before IS DISTINCT FROM due_date AS due_date_moved,
           count(*) AS changed
    FROM turned
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22
) AS changed ON true

-- name: compare_courses
-- What lay_page would change, of all touched cases, and how many come out the same. Nothing is locked
-- or written: what other rules make of the courses is told with the question.
WITH new AS MATERIALIZED (
    SELECT course, settled_verdict, normal, lapsed, policy_id, policy_version, limit_workdays,
           counted_workdays, running_since, due_date, at_risk_at, breach_at, urgent_at, in_time,
           same_day, string_to_array(alert_instants, ',')::timestamptz[] AS alert_instants, stages,
           rests_until
    FROM unnest($4::text[], $5::text[], $6::bool[], $7::bool[], $8::text[], $9::text[], $10::int[],
                $11::int[], $12::date[], $13::date[], $14::timestamptz[], $15::timestamptz[],
                $16::timestamptz[], $17::bool[], $18::bool[], $19::text[], $20::jsonb[],
                $21::date[])
        AS told (course, settled_verdict, normal, lapsed, policy_id, policy_version,
                 limit_workdays, counted_workdays, running_since, due_date, at_risk_at, breach_at,
                 urgent_at, in_time, same_day, alert_instants, stages, rests_until)
)
SELECT page.status, page.category, NULL AS city, page.stopped_on, page.rules,
       page.settled_verdict AS settled_verdict_before, new.settled_verdict,
       page.normal AS normal_before, new.normal,
       page.counted_workdays AS counted_workdays_before, new.counted_workdays,
       NULL AS in_time_before, NULL AS in_time, NULL AS same_day_before, NULL AS same_day,
       NULL AS due_date_before, NULL AS due_date,
       CASE WHEN is_open THEN page.at_risk_at END AS at_risk_at_before,
       CASE WHEN is_open THEN new.at_risk_at END AS at_risk_at,
       CASE WHEN is_open THEN page.breach_at END AS breach_at_before,
       CASE WHEN is_open THEN new.breach_at END AS breach_at,
       page.due_date IS DISTINCT FROM new.due_date AS due_date_moved,
       (page.settled_verdict, page.normal, page.lapsed, page.policy_id, page.policy_version,
             page.limit_workdays, page.counted_workdays, page.running_since, page.due_date,
             page.at_risk_at, page.breach_at, nullif(page.urgent_at, 'infinity'), page.in_time,
             page.same_day, page.alert_instants, page.stages, page.rests_until)
          IS DISTINCT FROM
            (new.settled_verdict, new.normal, new.lapsed, new.policy_id, new.policy_version,
             new.limit_workdays, new.counted_workdays, new.running_since, new.due_date,
             new.at_risk_at, new.breach_at, new.urgent_at, new.in_time, new.same_day,
             new.alert_instants, new.stages, new.rests_until) AS is_changed,
       count(*) AS changed
FROM (
    SELECT *, status IN ('running', 'suspended') AS is_open
    FROM rebate_case AS stored
    WHERE EXISTS (
          SELECT FROM unnest($1::date[], $2::date[], $3::date[])
              AS stretch (first, last, rests_from)
          WHERE (stretch.first IS NULL OR stored.accepted_at
                 >= stretch.first::timestamp AT TIME ZONE 'Asia/Shanghai')
            AND (stretch.last IS NULL OR stored.accepted_at
                 < (stretch.last + 1)::timestamp AT TIME ZONE 'Asia/Shanghai')
            AND (stretch.rests_from IS NULL
                 OR coalesce(stored.rests_until, 'infinity') >= stretch.rests_from))
) AS page
JOIN new ON new.course = page.course
GROUP BY 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 18, 19, 20, 21, 22, 23

-- name: drop_courses
DELETE FROM recompute_course WHERE rules <= $1
