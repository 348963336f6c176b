-- name: reporting_state
SELECT obj_description(oid, 'pg_namespace') AS comment,
       array(SELECT relname::text FROM pg_class WHERE relnamespace = space.oid) AS names
FROM pg_namespace AS space
WHERE nspname = 'reporting'

-- name: reporting_readers
-- Who was granted to read any of the views, quoted for a statement.
SELECT DISTINCT CASE WHEN told.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(role.rolname) END
FROM pg_class AS relation
CROSS JOIN LATERAL aclexplode(relation.relacl) AS told
LEFT JOIN pg_roles AS role ON role.oid = told.grantee
WHERE relation.relnamespace = to_regnamespace('reporting') AND told.privilege_type = 'SELECT'
  AND told.grantee <> relation.relowner

-- name: reader_state
-- No row: there is no such role. Its comment is $2 and the database that its password was set for.
SELECT rolcanlogin AS can_log_in,
       coalesce(has_table_privilege(rolname, to_regclass('reporting.ended'), 'SELECT'), false) AS reads,
       (SELECT datname::text FROM pg_database
        WHERE shobj_description(role.oid, 'pg_authid') = $2::text || datname
          AND datname <> current_database()) AS other_database
FROM pg_roles AS role
WHERE rolname = $1
