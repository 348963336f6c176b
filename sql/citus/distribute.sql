-- Distribute a migrated database by case, on Citus 12 or later, before any event is stored.
-- Run by the owner on the coordinator, to which every replica of the service connects. docs/scale.md
-- says when this is worth its price, and which statements have to change first.

CREATE EXTENSION IF NOT EXISTS citus;

-- What belongs to a case: its rows lie together on one shard, and every key contains case_id.
SELECT create_distributed_table('case_event', 'case_id', shard_count => 32);
SELECT create_distributed_table('rebate_case', 'case_id', colocate_with => 'case_event');
SELECT create_distributed_table('alert', 'case_id', colocate_with => 'case_event');
SELECT create_distributed_table('alert_told', 'case_id', colocate_with => 'case_event');

-- What is looked up beside cases: small, and whole on every node.
SELECT create_reference_table('rulebook_version');
SELECT create_reference_table('rule_day');
SELECT create_reference_table('place');
SELECT create_reference_table('lookup_state');
SELECT create_reference_table('schema_migration');
SELECT create_reference_table('recompute');
SELECT create_reference_table('recompute_course');

-- All else stays on the coordinator alone: sums (tally, tally_delta, month_foreseen, frozen_month),
-- messages (outbox, channel_state, alerting_state), and what is kept beside cases (quarantine,
-- api_key, browser_session, audit_record, ingest_state).
