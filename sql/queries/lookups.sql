-- name: lock_lookups
-- Two replicas that start together write one after the other.
SELECT version FROM lookup_state FOR UPDATE

-- name: drop_rule_days
DELETE FROM rule_day

-- name: drop_places
DELETE FROM place

-- name: note_lookups
UPDATE lookup_state SET version = $1, link = $2

-- name: latest_rulebook
SELECT version FROM rulebook_version ORDER BY number DESC LIMIT 1

-- name: add_rulebook
INSERT INTO rulebook_version (version, known_since, policies, notices) VALUES ($1, $2, $3, $4)

-- name: rulebooks
SELECT known_since, policies, notices FROM rulebook_version ORDER BY number
