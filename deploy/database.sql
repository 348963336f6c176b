-- Run once by the PostgreSQL image, on an empty volume: the database and its owner. The owner is no
-- superuser; CREATEROLE lets `rebate-monitor migrate` make the read-only role for Grafana.
\set password `cat /run/secrets/database_password`
CREATE ROLE rebate LOGIN CREATEROLE PASSWORD :'password';
CREATE DATABASE rebate OWNER rebate;
