-- name: reporting_state
SELECT obj_description(oid, 'pg_namespace') AS comment,
       (SELECT count(*) FROM pg_class WHERE relnamespace = space.oid) AS views
FROM pg_namespace AS space
WHERE nspname = 'reporting'

-- name: reader_state
-- NULL: there is no such role.
SELECT rolcanlogin FROM pg_roles WHERE rolname = $1
