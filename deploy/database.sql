-- Run once by the PostgreSQL image, on an empty volume: the database, its owner, and the role that the
-- service runs as, which owns nothing and is granted by `rebate-monitor migrate` what it needs. The owner is no
-- superuser; CREATEROLE lets `rebate-monitor migrate` make the read-only role for Grafana.
\set password `cat /run/secrets/database_password`
CREATE ROLE rebate LOGIN CREATEROLE PASSWORD :'password';
\set service_password `cat /run/secrets/service_password`
CREATE ROLE rebate_service LOGIN PASSWORD :'service_password';
CREATE DATABASE rebate OWNER rebate;
