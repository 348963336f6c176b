-- name: lock_lookups
-- Two replicas that start together write one after the other.
SELECT version FROM lookup_state FOR UPDATE

-- name: drop_places
DELETE FROM place

-- name: note_lookups
UPDATE lookup_state SET version = $1, link = $2
