-- name: late_cases
-- Cases that have heard of something after $1 and that may count, then or now, in the days from $2 up
-- to $3: then one of their events is dated there. With $4 open cases count, too.
SELECT late.case_id
FROM (SELECT DISTINCT case_id FROM case_event WHERE received_at > $1::timestamptz) AS late
WHERE EXISTS (SELECT FROM case_event AS told
              WHERE told.case_id = late.case_id
                AND (told.time >= $2::timestamptz AND told.time < $3::timestamptz
                     OR $4::boolean AND told.received_at <= $1))
   OR $4 AND EXISTS (SELECT FROM rebate_case AS stored
                     WHERE stored.case_id = late.case_id
                       AND stored.status IN ('running', 'suspended'))
ORDER BY late.case_id

-- name: cases_dated
-- Cases with an event in the days from $1 up to $2: no others can count there, by whatever rules.
SELECT DISTINCT case_id
FROM case_event
WHERE time >= $1::timestamptz AND time < $2::timestamptz
ORDER BY case_id

-- name: cases_known_by
-- The same of what had been received by $1, with all cases that may have been open. A payment ends a
-- case by whatever rules, unless something was taken back.
SELECT case_id
FROM case_event
WHERE received_at <= $1::timestamptz
GROUP BY case_id
HAVING bool_or(time >= $2::timestamptz AND time < $3::timestamptz)
    OR NOT bool_or(event_type = 'rebate.case.paid')
    OR bool_or(event_type = 'rebate.event.retracted')
ORDER BY case_id

-- name: standings_of_cases
SELECT case_id, status, normal, category, city, office, rebate_type, amount_cny, accepted_at,
       ended_at, counted_workdays, running_since, in_time, same_day, refiled_from
FROM rebate_case
WHERE case_id = ANY ($1::text[])
ORDER BY case_id

-- name: hold_events
-- Writers that have begun are waited for, and no other begins, nor does another closing, until the
-- month is closed. This has to be the first statement of its transaction: what that then sees is all
-- that there is.
LOCK TABLE case_event IN SHARE ROW EXCLUSIVE MODE

-- name: latest_receipt
-- The latest arrival after $1: the clock of the replica that took it may be ahead.
SELECT max(received_at) FROM case_event WHERE received_at > $1::timestamptz

-- name: freeze_month
INSERT INTO frozen_month
    (month, closed_at, closed_by, known_at, policy_version, calendar_version, groups)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: frozen_months
SELECT month, closed_at, closed_by, known_at, policy_version, calendar_version
FROM frozen_month
ORDER BY month DESC

-- name: frozen_month
SELECT month, closed_at, closed_by, known_at, policy_version, calendar_version, groups
FROM frozen_month
WHERE month = $1
