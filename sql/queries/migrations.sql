-- name: migration_holder
-- The process that holds the advisory lock of migrations.
SELECT pid FROM pg_locks
WHERE locktype = 'advisory' AND granted
  AND objid = (hashtext($1)::bigint & 4294967295)::oid
LIMIT 1
