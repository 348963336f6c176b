-- Alerts of named cases: the instants at which they are due, the alerts themselves, who was told.

ALTER TABLE rebate_case
    ADD COLUMN policy_version text,
    ADD COLUMN alert_instants timestamptz[],   -- of level 0, 1, 2 …; NULL until folded anew
    ADD COLUMN next_level     smallint,        -- the level that is raised at next_alert_at;
    ADD COLUMN next_alert_at  timestamptz,     -- -infinity: the sweep has to look at what it raised
    ADD COLUMN alerted        boolean NOT NULL DEFAULT false,  -- the case has rows in alert
    ADD COLUMN enforce_from   timestamptz,     -- levels reached before are recorded, nobody is told
    ADD COLUMN changed_at     timestamptz,     -- when its facts or rules last changed,
    ADD COLUMN changed_by     jsonb;           -- and by which event, calendar or policy

-- The sweep looks nowhere else: these two indexes have nobody left to read them.
DROP INDEX rebate_case_at_risk, rebate_case_breach;
CREATE INDEX rebate_case_next_alert ON rebate_case (next_alert_at, case_id)
    WHERE next_alert_at IS NOT NULL;

-- One row for each transition of a case. Only the sweep inserts, one replica at a time, so that
-- `seq` rises in the order of commits and a channel can go by how far it has been told.
CREATE TABLE alert (
    case_id         text COLLATE "C" NOT NULL,
    kind            text             NOT NULL,
    level           smallint         NOT NULL,
    policy_version  text             NOT NULL,
    occurrence      integer          NOT NULL,  -- 1, and one more after each time it was undone
    alert_id        text COLLATE "C" NOT NULL,  -- derived from the key; says nothing of the case
    seq             bigint           NOT NULL GENERATED ALWAYS AS IDENTITY,
    city            text COLLATE "C",
    office          text COLLATE "C",
    category        text,
    whitelisted     boolean,
    limit_workdays  integer,
    due_date        date,
    at              timestamptz      NOT NULL,  -- the instant at which the level was reached
    silent          boolean          NOT NULL,  -- before enforce_from: nobody is told
    cause           jsonb            NOT NULL,
    raised_at       timestamptz      NOT NULL,
    resolved_at     timestamptz,
    resolution      text,
    resolved_cause  jsonb,
    undone_by       text COLLATE "C",           -- alert_id of the correction
    acknowledged_at timestamptz,
    acknowledged_by text,                       -- the person, as told
    acknowledged_key text,                      -- the key it was told with
    note            text,
    PRIMARY KEY (case_id, kind, level, policy_version, occurrence)
);
CREATE INDEX alert_id ON alert (alert_id);
CREATE INDEX alert_seq ON alert (seq);
CREATE INDEX alert_open ON alert (seq) WHERE resolved_at IS NULL;
CREATE INDEX alert_raised ON alert USING brin (raised_at);

-- Which alert each channel was told of, and by which message.
CREATE TABLE alert_told (
    case_id         text COLLATE "C" NOT NULL,
    alert_id        text COLLATE "C" NOT NULL,
    channel         text             NOT NULL,
    told_at         timestamptz      NOT NULL,
    notification_id uuid             NOT NULL,
    PRIMARY KEY (case_id, alert_id, channel)
);

-- What a channel has not been told of between two places: what still stands, and corrections of what
-- it was told. What is over by now is not told at all, nor that a late case is at risk.
CREATE FUNCTION untold_alerts(told_channel text, told_through bigint, head bigint)
RETURNS SETOF alert LANGUAGE sql STABLE AS $$
    SELECT (standing.fresh).*
    FROM (
        SELECT fresh, case_id, alert_id, level,
               max(level) OVER (PARTITION BY case_id) AS highest
        FROM alert AS fresh
        WHERE seq > told_through AND seq <= head AND NOT silent AND kind <> 'corrected'
          AND resolved_at IS NULL
    ) AS standing
    WHERE (level > 0 OR highest = 0) AND NOT EXISTS (
        SELECT FROM alert_told
        WHERE alert_told.case_id = standing.case_id AND alert_told.alert_id = standing.alert_id
          AND alert_told.channel = told_channel)
    UNION ALL
    SELECT fresh.*
    FROM alert AS fresh
    WHERE seq > told_through AND seq <= head AND kind = 'corrected' AND EXISTS (
          SELECT FROM alert AS undone JOIN alert_told USING (case_id, alert_id)
          WHERE undone.case_id = fresh.case_id AND undone.undone_by = fresh.alert_id
            AND alert_told.channel = told_channel)
$$;

-- Messages on their way. Small, and not distributed: rows are claimed by pushing next_attempt_at
-- forward, so no lock is held while a receiver takes its time.
CREATE TABLE outbox (
    notification_id uuid        PRIMARY KEY,
    place           bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,  -- the order of sending
    channel         text        NOT NULL,
    subject         text        NOT NULL UNIQUE,  -- what it tells: never the same twice
    body            jsonb       NOT NULL,
    created_at      timestamptz NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    attempts        integer     NOT NULL DEFAULT 0,
    attempted_at    timestamptz,
    reason          text,                         -- of the last failure
    sent_at         timestamptz,
    dead_at         timestamptz
);
CREATE INDEX outbox_pending ON outbox (channel, next_attempt_at)
    WHERE sent_at IS NULL AND dead_at IS NULL;
CREATE INDEX outbox_dead ON outbox (dead_at) WHERE dead_at IS NOT NULL;
CREATE INDEX outbox_created ON outbox (created_at, place);

-- How far each channel has been told, and what became of its messages.
CREATE TABLE channel_state (
    channel         text        PRIMARY KEY,
    told_through    bigint      NOT NULL,        -- alert.seq
    window_start    timestamptz,                 -- of the last digest
    next_free_at    timestamptz,                 -- its rate limit, or its rest after a failure
    failures_in_row integer     NOT NULL DEFAULT 0,
    sent            bigint      NOT NULL DEFAULT 0,
    failed          bigint      NOT NULL DEFAULT 0,
    dead            bigint      NOT NULL DEFAULT 0
);

-- One row: since when alerts are told unless REBATE_CONFIG says otherwise, and the last sweep.
CREATE TABLE alerting_state (
    only_row        boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    enforce_from    timestamptz NOT NULL DEFAULT now(),
    last_success_at timestamptz
);
INSERT INTO alerting_state DEFAULT VALUES;

ALTER TABLE tally ADD COLUMN alert_kind text;
ALTER TABLE tally_delta ADD COLUMN alert_kind text;
DROP INDEX tally_cell;
CREATE UNIQUE INDEX tally_cell ON tally
    (figure, stopped_on, event_type, outcome, category, city, verdict,
     at_risk_on, due_on, breach_on, workdays, alert_kind) NULLS NOT DISTINCT;

-- What an import brings pages nobody, also when it was refused at first and replayed later.
ALTER TABLE quarantine ADD COLUMN is_import boolean NOT NULL DEFAULT false;
