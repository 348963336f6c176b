-- name: quarantine_events
-- What is refused of a case whose identity was erased is told to its sender, and not kept.
INSERT INTO quarantine AS kept
    (digest, reason, body, case_id, source, id, times, received_from, first_seen_at, last_seen_at,
     is_import, sources, offices)
SELECT digest, reason, body, case_id, source, id, times, $8, $9, $9, $10, $11::text[], $12::text[]
FROM unnest($1::bytea[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::text[], $7::int[])
    AS refused (digest, reason, body, case_id, source, id, times)
WHERE case_id IS NULL OR case_id NOT IN (
    SELECT case_id FROM rebate_case WHERE case_id = ANY ($4) AND erased_at IS NOT NULL)
ORDER BY digest
ON CONFLICT (digest) DO UPDATE
SET times = kept.times + excluded.times, reason = excluded.reason,
    last_seen_at = excluded.last_seen_at, is_import = kept.is_import AND excluded.is_import

-- name: list_quarantine
SELECT digest, reason, body, case_id, source, id, received_from, times, first_seen_at, last_seen_at
FROM quarantine
WHERE ($1::timestamptz IS NULL OR (last_seen_at, digest) < ($1, $2::bytea))
ORDER BY last_seen_at DESC, digest DESC
LIMIT $3

-- name: quarantine_page
SELECT digest FROM quarantine WHERE digest > $1 ORDER BY digest LIMIT $2

-- name: lock_quarantined
SELECT digest, body, received_from, is_import, sources, offices
FROM quarantine
WHERE digest = ANY ($1::bytea[])
ORDER BY digest
FOR UPDATE

-- name: release_quarantined
DELETE FROM quarantine WHERE digest = ANY ($1::bytea[]) RETURNING digest, case_id, received_from

-- name: count_quarantine
SELECT count(*) FROM quarantine
