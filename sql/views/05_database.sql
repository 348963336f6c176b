-- How large the database is and how busy, for those who run it.
CREATE VIEW reporting.database_state AS
SELECT pg_database_size(current_database()) AS size_bytes,
       (SELECT numbackends FROM pg_stat_database WHERE datname = current_database()) AS connections,
       current_setting('max_connections')::integer AS max_connections,
       (SELECT max(number) FROM schema_migration) AS migration;

CREATE VIEW reporting.table_size AS
SELECT relname AS table_name, pg_total_relation_size(relid) AS size_bytes,
       n_live_tup AS estimated_rows
FROM pg_stat_user_tables
WHERE schemaname = 'public';
