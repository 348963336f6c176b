-- Facts, the case row read off them, and the tallies read off the row.
-- Text keys compare by code point (COLLATE "C"), so that PostgreSQL and Python sort them alike.

-- What producers told us. Append-only: nothing updates or deletes a row.
CREATE TABLE case_event (
    case_id     text COLLATE "C" NOT NULL,
    source      text COLLATE "C" NOT NULL,
    id          text COLLATE "C" NOT NULL,
    event_type  text             NOT NULL,
    time        timestamptz      NOT NULL,
    data        jsonb            NOT NULL,
    extensions  jsonb,                      -- CloudEvents extension attributes, as first told
    digest      bytea            NOT NULL,  -- of type, time and data: tells a repeat from a conflict
    received_at timestamptz      NOT NULL,
    PRIMARY KEY (case_id, source, id)
);

-- The case as its events fold today: always derivable from case_event.
CREATE TABLE rebate_case (
    case_id          text COLLATE "C" PRIMARY KEY,
    status           text        NOT NULL DEFAULT 'unaccepted',
    settled_verdict  text,                  -- NULL while only time decides
    normal           boolean     NOT NULL DEFAULT false,
    lapsed           boolean     NOT NULL DEFAULT false,
    category         text,
    office           text COLLATE "C",
    city             text COLLATE "C",
    rebate_type      text,
    amount_cny       numeric,
    whitelisted      boolean,
    policy_id        text,
    limit_workdays   integer,
    accepted_at      timestamptz,
    ended_at         timestamptz,
    stopped_on       date,                  -- Asia/Shanghai; only when stopped
    counted_workdays integer,
    running_since    date,                  -- the day on which counted_workdays held
    due_date         date,
    at_risk_at       timestamptz,
    breach_at        timestamptz,
    urgent_at        timestamptz NOT NULL DEFAULT 'infinity',
    in_time          boolean,
    same_day         boolean,
    anomalies        text[]      NOT NULL DEFAULT '{}',
    events           integer     NOT NULL DEFAULT 0,
    updated_at       timestamptz NOT NULL DEFAULT now()
);

-- Lists: most urgent first, by keyset.
CREATE INDEX rebate_case_urgent ON rebate_case (urgent_at, case_id);
CREATE INDEX rebate_case_city_urgent ON rebate_case (city, urgent_at, case_id);
-- What the passing of time decides next.
CREATE INDEX rebate_case_at_risk ON rebate_case (at_risk_at) WHERE settled_verdict IS NULL;
CREATE INDEX rebate_case_breach ON rebate_case (breach_at) WHERE settled_verdict IS NULL;
-- Performance: the stopped of a period, the open now, the other ends.
CREATE INDEX rebate_case_stopped ON rebate_case (stopped_on) WHERE status = 'stopped';
CREATE INDEX rebate_case_open ON rebate_case (case_id) WHERE status IN ('running', 'suspended');
CREATE INDEX rebate_case_other_end ON rebate_case (ended_at)
    WHERE status IN ('rejected', 'withdrawn');

-- Running tallies: their meaning is the sum of both tables. Writers only ever append to
-- tally_delta, so they never wait for each other; the compaction moves deltas into tally.
CREATE TABLE tally (
    figure       text   NOT NULL,
    event_type   text,
    outcome      text,
    category     text,
    city         text,
    verdict      text,
    at_risk_on   date,
    due_on       date,
    breach_on    date,
    stopped_on   date,
    workdays     integer,
    cases        bigint NOT NULL,
    workdays_sum bigint NOT NULL,
    judged       bigint NOT NULL,
    in_time      bigint NOT NULL,
    same_day     bigint NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE UNIQUE INDEX tally_cell ON tally
    (figure, stopped_on, event_type, outcome, category, city, verdict,
     at_risk_on, due_on, breach_on, workdays) NULLS NOT DISTINCT;

-- Both are small and change all the time: room for updates in place, and vacuum often.
CREATE TABLE tally_delta (LIKE tally)
    WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- Events that were refused, kept whole: one row for the same bytes, with the latest reason.
CREATE TABLE quarantine (
    digest        bytea       PRIMARY KEY,
    reason        text        NOT NULL,
    body          bytea       NOT NULL,
    case_id       text COLLATE "C",
    source        text,
    id            text,
    received_from text        NOT NULL,     -- the name of the key, or of the command
    times         integer     NOT NULL DEFAULT 1,
    first_seen_at timestamptz NOT NULL,
    last_seen_at  timestamptz NOT NULL
);
CREATE INDEX quarantine_last_seen ON quarantine (last_seen_at DESC, digest);

-- Keys of producers and readers; only a digest of the secret is kept.
CREATE TABLE api_key (
    key_id     text COLLATE "C" PRIMARY KEY,
    name       text        NOT NULL,
    digest     bytea       NOT NULL UNIQUE,
    scopes     text[]      NOT NULL,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);
