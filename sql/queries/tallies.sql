-- name: add_deltas
INSERT INTO tally_delta
    (figure, event_type, outcome, category, city, verdict, at_risk_on, due_on, breach_on,
     stopped_on, workdays, alert_kind, rules, cases, workdays_sum, judged, in_time,
     same_day)
SELECT *
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::date[],
            $8::date[], $9::date[], $10::date[], $11::int[], $12::text[], $13::bigint[],
            $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[])

-- name: only_one_compaction
-- Held to the end of the transaction; the second replica simply does nothing.
SELECT pg_try_advisory_xact_lock(hashtext('rebate_monitor.tally_compaction'))

-- name: age_open_cells
-- An open cell that breached before $1 stays breached whatever its dates were: they are moved to
-- one early date ($2) and told by no rules, so that cases that never end do not make the tally grow.
WITH aged AS (
    DELETE FROM tally
    WHERE figure = 'open' AND breach_on < $1::date AND breach_on > $2::date
    RETURNING *
)
INSERT INTO tally_delta
    (figure, event_type, outcome, category, city, verdict, at_risk_on, due_on, breach_on,
     stopped_on, workdays, alert_kind, rules, cases, workdays_sum, judged, in_time,
     same_day)
SELECT figure, event_type, outcome, category, city, verdict,
       $2::date, $2::date, $2::date, stopped_on, workdays, alert_kind, NULL::bigint,
       cases, workdays_sum, judged, in_time, same_day
FROM aged

-- name: compact_deltas
-- That there was an accepted event among them is noted as of $1.
WITH fresh AS (DELETE FROM tally_delta RETURNING *),
heard AS (
    UPDATE ingest_state SET heard_at = greatest(heard_at, $1::timestamptz)
    WHERE EXISTS (SELECT FROM fresh WHERE figure = 'events' AND outcome = 'accepted')
)
INSERT INTO tally AS kept
    (figure, event_type, outcome, category, city, verdict, at_risk_on, due_on, breach_on,
     stopped_on, workdays, alert_kind, rules, cases, workdays_sum, judged, in_time,
     same_day)
SELECT figure, event_type, outcome, category, city, verdict, at_risk_on, due_on, breach_on,
       stopped_on, workdays, alert_kind, rules, sum(cases), sum(workdays_sum), sum(judged), sum(in_time),
       sum(same_day)
FROM fresh
GROUP BY figure, event_type, outcome, category, city, verdict, at_risk_on, due_on, breach_on,
         stopped_on, workdays, alert_kind, rules
ON CONFLICT (figure, stopped_on, event_type, outcome, category, city, verdict,
             at_risk_on, due_on, breach_on, workdays, alert_kind, rules)
DO UPDATE SET cases = kept.cases + excluded.cases,
              workdays_sum = kept.workdays_sum + excluded.workdays_sum,
              judged = kept.judged + excluded.judged,
              in_time = kept.in_time + excluded.in_time,
              same_day = kept.same_day + excluded.same_day

-- name: heard_at
SELECT heard_at FROM ingest_state

-- name: drop_empty_cells
DELETE FROM tally WHERE cases = 0 AND workdays_sum = 0 AND judged = 0 AND in_time = 0 AND same_day = 0

-- name: tally_cells
-- Everything but the stopped cells, whose number grows with the days: see stopped_by_window.
SELECT figure, event_type, outcome, category, city, verdict, at_risk_on, due_on, breach_on,
       stopped_on, workdays, alert_kind, rules, sum(cases)::bigint AS cases,
       sum(workdays_sum)::bigint AS workdays_sum,
       sum(judged)::bigint AS judged, sum(in_time)::bigint AS in_time,
       sum(same_day)::bigint AS same_day
FROM (SELECT * FROM tally WHERE figure <> 'stopped'
      UNION ALL
      SELECT * FROM tally_delta WHERE figure <> 'stopped') AS cells
GROUP BY figure, event_type, outcome, category, city, verdict, at_risk_on, due_on, breach_on,
         stopped_on, workdays, alert_kind, rules
HAVING sum(cases) <> 0 OR sum(workdays_sum) <> 0 OR sum(judged) <> 0 OR sum(in_time) <> 0
    OR sum(same_day) <> 0

-- name: stopped_by_window
-- Sums of the normal cases stopped from each window's first day up to today, by category.
SELECT win.label AS label, cells.category,
       sum(cells.cases)::bigint AS cases, sum(cells.workdays_sum)::bigint AS workdays_sum,
       sum(cells.judged)::bigint AS judged, sum(cells.in_time)::bigint AS in_time,
       sum(cells.same_day)::bigint AS same_day
FROM unnest($1::text[], $2::date[]) AS win (label, first)
JOIN (SELECT * FROM tally WHERE figure = 'stopped' AND stopped_on >= $3::date
      UNION ALL
      SELECT * FROM tally_delta WHERE figure = 'stopped' AND stopped_on >= $3::date) AS cells
  ON cells.stopped_on >= win.first AND cells.stopped_on <= $4::date
GROUP BY win.label, cells.category

-- name: all_tally_cells
-- Every cell, for comparing the tallies with a recount.
SELECT figure, event_type, outcome, category, city, verdict, at_risk_on, due_on, breach_on,
       stopped_on, workdays, alert_kind, rules, sum(cases)::bigint AS cases,
       sum(workdays_sum)::bigint AS workdays_sum,
       sum(judged)::bigint AS judged, sum(in_time)::bigint AS in_time,
       sum(same_day)::bigint AS same_day
FROM (SELECT * FROM tally UNION ALL SELECT * FROM tally_delta) AS cells
GROUP BY figure, event_type, outcome, category, city, verdict, at_risk_on, due_on, breach_on,
         stopped_on, workdays, alert_kind, rules
HAVING sum(cases) <> 0 OR sum(workdays_sum) <> 0 OR sum(judged) <> 0 OR sum(in_time) <> 0
    OR sum(same_day) <> 0

-- name: all_case_rows
-- Every stored case as far as its tallies need it, for a recount.
SELECT case_id, status, settled_verdict, normal, category, city, counted_workdays, stopped_on,
       at_risk_at, due_date, breach_at, in_time, same_day, events, policy_version, alert_instants,
       stages, suspensions, refiled_from, rules, course, rests_until, office
FROM rebate_case
ORDER BY case_id

-- name: accepted_by_type
-- Stored events by type, for a recount.
SELECT event_type, count(*) AS events FROM case_event GROUP BY event_type

-- name: open_alerts_by_cell
-- Open alerts that people are told of, by the cell they are counted in, for a recount.
SELECT kind, city, acknowledged_at IS NOT NULL AS acknowledged, count(*) AS alerts
FROM alert
WHERE resolved_at IS NULL AND kind <> 'corrected' AND NOT silent
GROUP BY 1, 2, 3
