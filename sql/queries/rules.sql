-- name: rules_in_force
-- The latest version of the rules, and up to which one every case is laid down by it or comes out as if
-- it were. Rows older than all versions are taken to be as the first one has them.
SELECT max(number) AS number,
       coalesce((SELECT max(rules) FROM recompute WHERE finished_at IS NOT NULL),
                min(number)) AS settled
FROM rulebook_version

-- name: rulebook_versions
-- Every version from a number on, without what it says: a version never changes, and is read once.
SELECT number, version, known_since, because, published_by
FROM rulebook_version
WHERE number >= $1
ORDER BY number

-- name: rulebook_contents
SELECT version, policies, notices FROM rulebook_version WHERE version = ANY ($1::text[])

-- name: rules_brought
SELECT number, because, published_by FROM rulebook_version WHERE number = ANY($1::bigint[])

-- name: one_rulebook_at_a_time
-- Versions follow one another; the row stands for the whole table.
SELECT FROM lookup_state FOR UPDATE

-- name: latest_rulebook
SELECT number, version, known_since, imported_years, applied_policies, withdrawn_policies
FROM rulebook_version
ORDER BY number DESC
LIMIT 1

-- name: add_rulebook
INSERT INTO rulebook_version
    (version, known_since, policies, notices, because, published_by, imported_years,
     applied_policies, withdrawn_policies)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
RETURNING number

-- name: hold_writers
-- Whoever writes by the rules before is waited for, and whoever comes after goes by the new ones.
SELECT pg_advisory_xact_lock(hashtext('rebate_monitor.rules'))

-- name: drop_rule_days
-- Days of rules that no case goes by any longer.
DELETE FROM rule_day WHERE rules < $1
