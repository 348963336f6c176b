-- name: add_channels
-- A new channel is told of what comes after it, not of all that stands already.
INSERT INTO channel_state (channel, told_through)
SELECT unnest($1::text[]), coalesce((SELECT max(seq) FROM alert), 0)
ON CONFLICT (channel) DO NOTHING

-- name: channel_outlook
-- Whether a channel has anything to do, without locking anything.
SELECT told_through, window_start, coalesce((SELECT max(seq) FROM alert), 0) AS head,
       EXISTS (SELECT FROM outbox
               WHERE channel = $1 AND sent_at IS NULL AND dead_at IS NULL
                 AND next_attempt_at <= $2) AS has_mail
FROM channel_state
WHERE channel = $1

-- name: lock_channel
-- One replica at a time makes the digests of a channel; another one passes by.
SELECT told_through, window_start, coalesce((SELECT max(seq) FROM alert), 0) AS head
FROM channel_state
WHERE channel = $1
FOR UPDATE SKIP LOCKED

-- name: note_told
UPDATE channel_state SET told_through = $2, window_start = $3 WHERE channel = $1

-- name: untold_groups
-- What a channel ($1) has not been told of between two places, by all that routes can ask.
SELECT kind, level, city, office, category, whitelisted,
       concat_ws('/', kind, level, coalesce(city, '-'), coalesce(office, '-'),
                 coalesce(category, '-'), coalesce(whitelisted::text, '-')) AS key
FROM untold_alerts($1, $2, $3)
GROUP BY kind, level, city, office, category, whitelisted

-- name: tell
-- Note for each alert of the wanted groups ($4, by their keys) that the channel is told of it, and
-- return what each message says: one for each kind, level and city, in parts of at most $5 cases,
-- with the $6 most urgent of them. A case is told of once, by the highest of its wanted levels, or
-- by its latest correction. Nothing large is joined with anything large: the planner knows nothing
-- of how much there is to tell.
WITH fresh AS (
    SELECT untold.*, kind = 'corrected' AS is_correction,
           row_number() OVER (
               PARTITION BY case_id, kind = 'corrected'
               ORDER BY CASE WHEN kind = 'corrected' THEN seq ELSE level END DESC
           ) AS rank
    FROM untold_alerts($1, $2, $3) AS untold
    WHERE concat_ws('/', kind, level, coalesce(city, '-'), coalesce(office, '-'),
                    coalesce(category, '-'), coalesce(whitelisted::text, '-')) = ANY ($4::text[])
), numbered AS (
    SELECT fresh.*, coalesce(city, '') AS place, row_number() OVER urgency AS urgency,
           (row_number() OVER urgency - 1) / $5::int + 1 AS part,
           (count(*) OVER message - 1) / $5::int + 1 AS parts
    FROM fresh
    WINDOW urgency AS (PARTITION BY rank = 1, kind, level, city ORDER BY at, case_id),
           message AS (PARTITION BY rank = 1, kind, level, city)
), message AS MATERIALIZED (
    SELECT kind, level, place, part, gen_random_uuid() AS notification_id
    FROM numbered
    WHERE rank = 1
    GROUP BY kind, level, place, part
), named AS (
    SELECT numbered.*, message.notification_id
    FROM numbered
    LEFT JOIN message ON rank = 1 AND message.kind = numbered.kind
     AND message.level = numbered.level AND message.place = numbered.place
     AND message.part = numbered.part
), told AS (
    INSERT INTO alert_told (case_id, alert_id, channel, told_at, notification_id)
    SELECT case_id, alert_id, $1, $7,
           first_value(notification_id) OVER (PARTITION BY case_id, is_correction ORDER BY rank)
    FROM named
    ON CONFLICT DO NOTHING
)
SELECT notification_id,
       concat_ws('/', $1::text, kind, level, coalesce(city, '-'), $2::bigint || '-' || $3::bigint,
                 part) AS subject,
       kind, level, city, part, parts, count(*) AS alerts,
       min(at) AS first_at, max(at) AS last_at,
       count(*) FILTER (WHERE category = 'I') AS "I",
       count(*) FILTER (WHERE category = 'II') AS "II",
       count(*) FILTER (WHERE category = 'III') AS "III",
       count(*) FILTER (WHERE category = 'IV') AS "IV",
       count(*) FILTER (WHERE category IS NULL) AS unknown,
       to_json(array_agg(json_build_object(
           'case_id', case_id, 'alert_id', alert_id, 'office', office, 'category', category,
           'due_date', due_date,
           'at', to_char(at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD"T"HH24:MI:SS"+08:00"')
           ) ORDER BY urgency) FILTER (WHERE (urgency - 1) % $5::int < $6::int))::text AS cases
FROM named
WHERE rank = 1
GROUP BY notification_id, kind, level, city, part, parts
ORDER BY kind = 'corrected' DESC, level DESC, city, part

-- name: open_alerts_by_level
-- Open cases by the highest level that stands, silent alerts aside; acknowledged from the breach on.
SELECT level, city, count(*) AS alerts, count(*) FILTER (WHERE acknowledged) AS acknowledged
FROM (
    SELECT max(level) AS level, max(city) AS city,
           bool_or(acknowledged_at IS NOT NULL AND level >= 1) AS acknowledged
    FROM alert
    WHERE resolved_at IS NULL AND NOT silent
    GROUP BY case_id
) AS open_case
GROUP BY level, city

-- name: post_messages
INSERT INTO outbox (notification_id, channel, subject, body, created_at, next_attempt_at)
SELECT notification_id, $4, subject, body, $5, $5
FROM unnest($1::uuid[], $2::text[], $3::jsonb[])
    WITH ORDINALITY AS new (notification_id, subject, body, place)
ORDER BY place

-- name: claim_message
-- Lease the next message of a channel ($1) until $3, unless the channel is to be spared until
-- next_free_at; then it is free again at $4. Locking the channel's row makes replicas take turns.
-- A correction never overtakes what it corrects. An instant further ahead than any pause ($5 for
-- the channel, $6 for a message) is from a clock that was wrong, and is not waited for.
WITH next AS (
    SELECT notification_id
    FROM outbox AS pending
    WHERE channel = $1 AND sent_at IS NULL AND dead_at IS NULL
      AND (next_attempt_at <= $2 OR next_attempt_at > $6)
      AND (body ->> 'kind' <> 'corrected' OR NOT EXISTS (
          SELECT FROM outbox AS earlier
          WHERE earlier.channel = $1 AND earlier.sent_at IS NULL AND earlier.dead_at IS NULL
            AND earlier.created_at < pending.created_at))
    ORDER BY place
    LIMIT 1
    FOR UPDATE SKIP LOCKED
), free AS (
    UPDATE channel_state SET next_free_at = $4
    WHERE channel = $1 AND (next_free_at IS NULL OR next_free_at <= $2 OR next_free_at > $5)
      AND EXISTS (SELECT FROM next)
    RETURNING channel
)
UPDATE outbox
SET next_attempt_at = $3, attempts = attempts + 1, attempted_at = $2
WHERE notification_id IN (SELECT notification_id FROM next) AND EXISTS (SELECT FROM free)
RETURNING notification_id, body, created_at, attempts

-- name: note_sent
WITH sent AS (
    UPDATE outbox SET sent_at = $3, dead_at = NULL, reason = NULL
    WHERE notification_id = $1 AND sent_at IS NULL
    RETURNING channel
)
UPDATE channel_state SET sent = sent + 1, failures_in_row = 0
WHERE channel = $2 AND EXISTS (SELECT FROM sent)

-- name: note_failed
-- Try again at $4, or never again when $5 is told; the channel itself rests until $6.
WITH failed AS (
    UPDATE outbox SET reason = $3, next_attempt_at = $4, dead_at = $5
    WHERE notification_id = $1 AND sent_at IS NULL
    RETURNING dead_at
)
UPDATE channel_state
SET failed = failed + 1, failures_in_row = failures_in_row + 1, next_free_at = $6,
    dead = dead + (SELECT count(dead_at) FROM failed)
WHERE channel = $2

-- name: failures_in_row
SELECT failures_in_row FROM channel_state WHERE channel = $1

-- name: bury_orphans
-- Messages of a channel that has not been configured for a day ($3), of which nobody would ever
-- hear; a replica that has an old configuration buries nothing that is fresh. Counts them.
WITH buried AS (
    UPDATE outbox SET dead_at = $2, reason = 'the channel is not configured any more'
    WHERE channel <> ALL ($1::text[]) AND sent_at IS NULL AND dead_at IS NULL AND created_at < $3
    RETURNING channel
), counted AS (
    SELECT channel, count(*) AS messages FROM buried GROUP BY channel
), noted AS (
    UPDATE channel_state SET dead = dead + messages
    FROM counted WHERE channel_state.channel = counted.channel
)
SELECT coalesce(sum(messages), 0)::bigint FROM counted

-- name: forget_messages
DELETE FROM outbox WHERE sent_at < $1 OR dead_at < $1

-- name: list_outbox
-- $1 'pending', 'sent', 'dead' or NULL, then a channel or NULL; the latest first.
SELECT notification_id, channel, body, created_at, attempts, attempted_at, next_attempt_at, reason,
       sent_at, dead_at
FROM outbox
WHERE ($1::text IS NULL OR $1 = CASE WHEN sent_at IS NOT NULL THEN 'sent'
                                     WHEN dead_at IS NOT NULL THEN 'dead' ELSE 'pending' END)
  AND ($2::text IS NULL OR channel = $2)
ORDER BY created_at DESC, place DESC
LIMIT $3

-- name: retry_messages
-- Bring dead messages back to life: all of them, those of a channel, or one.
UPDATE outbox SET dead_at = NULL, attempts = 0, next_attempt_at = $3
WHERE dead_at IS NOT NULL AND sent_at IS NULL
  AND ($1::text IS NULL OR channel = $1) AND ($2::uuid IS NULL OR notification_id = $2)

-- name: free_channels
-- A retry by hand does not wait until the channel has rested.
UPDATE channel_state SET next_free_at = NULL, failures_in_row = 0
WHERE $1::text IS NULL OR channel = $1

-- name: outbox_figures
SELECT (SELECT count(*) FROM outbox WHERE sent_at IS NULL AND dead_at IS NULL) AS pending,
       (SELECT min(created_at) FROM outbox WHERE sent_at IS NULL AND dead_at IS NULL) AS oldest,
       (SELECT count(*) FROM outbox WHERE dead_at IS NOT NULL) AS dead,
       (SELECT last_success_at FROM alerting_state) AS swept_at

-- name: channel_figures
SELECT channel, sent, failed, dead FROM channel_state
