-- What an evaluation reads beside the figures, and months as they were reported.

-- The case that this one was filed again from, as it folds; rows from before get it when they are
-- folded anew (`rebate-monitor recompute`).
ALTER TABLE rebate_case ADD COLUMN refiled_from text COLLATE "C";
CREATE INDEX rebate_case_refiled ON rebate_case (accepted_at) WHERE refiled_from IS NOT NULL;
CREATE INDEX rebate_case_anomalous ON rebate_case (accepted_at) WHERE anomalies <> '{}';

-- A month as it was when it was closed. Rows are only ever added: what becomes known later shows as a
-- correction beside them.
CREATE TABLE frozen_month (
    month            text        PRIMARY KEY CHECK (month ~ '^[0-9]{4}-[0-9]{2}$'),
    closed_at        timestamptz NOT NULL,
    closed_by        text        NOT NULL,
    known_at         timestamptz NOT NULL,  -- exactly the events received up to then are in it
    policy_version   text,                  -- of the last day of the month
    calendar_version text        NOT NULL,
    groups           jsonb       NOT NULL   -- [{by, evaluated: {group, scope, performance, …}}]
);
