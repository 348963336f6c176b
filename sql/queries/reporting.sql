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

-- name: role_of_server
SELECT quote_ident(rolname) AS quoted, rolsuper AS is_superuser, rolname = current_user AS is_owner
FROM pg_roles
WHERE rolname = $1

-- name: privileges_of_roles
-- What each of some roles may do with each table and view, in words with blanks between them.
SELECT relation.oid::regclass::text AS table_name,
       array(SELECT coalesce(string_agg(word, ' ' ORDER BY place)
                             FILTER (WHERE has_table_privilege(role, relation.oid, word)), '')
             FROM unnest($1::text[]) WITH ORDINALITY AS asked (role, number),
                  unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE'])
                      WITH ORDINALITY AS words (word, place)
             GROUP BY number, role
             ORDER BY number) AS privileges
FROM pg_class AS relation
WHERE relation.relkind IN ('r', 'v')
  AND relation.relnamespace IN ('public'::regnamespace, 'reporting'::regnamespace)
ORDER BY relation.relkind, relation.oid::regclass::text
