-- Rules that change while the service runs: who brought each version, by which version each case is
-- laid down, and the recompute that a new version brings.

ALTER TABLE rulebook_version
    ADD COLUMN because            text      NOT NULL DEFAULT 'start',
    ADD COLUMN published_by       text      NOT NULL DEFAULT '',
    -- What operations have brought: it stands whatever the package or the configuration says.
    ADD COLUMN imported_years     integer[] NOT NULL DEFAULT '{}',
    ADD COLUMN applied_policies   text[]    NOT NULL DEFAULT '{}',
    ADD COLUMN withdrawn_policies text[]    NOT NULL DEFAULT '{}';

ALTER TABLE rebate_case
    ADD COLUMN rules       bigint,  -- rulebook_version.number by which the row was last written
    ADD COLUMN course      text,    -- the days on which things happened: all that is assessed
    ADD COLUMN rests_until date;    -- the last day that the row rests on

-- Cases laid down anew by later rules. At most one is under way: neither finished nor superseded.
CREATE TABLE recompute (
    number          bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    rules           bigint      NOT NULL,             -- rulebook_version.number that it goes by
    stretches       jsonb       NOT NULL,             -- which cases may be touched, by acceptance
    refolds         boolean     NOT NULL,             -- from their events, not only their courses
    started_at      timestamptz NOT NULL,
    progressed_at   timestamptz,
    finished_at     timestamptz,
    superseded_by   bigint,
    cases           bigint,                           -- how many may be touched; NULL until counted
    done            bigint      NOT NULL DEFAULT 0,
    changed         bigint      NOT NULL DEFAULT 0,
    due_dates_moved bigint      NOT NULL DEFAULT 0,
    breaches_made   bigint      NOT NULL DEFAULT 0,
    breaches_unmade bigint      NOT NULL DEFAULT 0,
    done_through    text COLLATE "C" NOT NULL DEFAULT ''  -- the last case_id that is done
);

-- What the rules of a recompute under way make of each course that its cases took; emptied at its end.
CREATE TABLE recompute_course (
    rules            bigint  NOT NULL,
    course           text    NOT NULL,
    settled_verdict  text,
    normal           boolean NOT NULL,
    lapsed           boolean NOT NULL,
    policy_id        text,
    policy_version   text,
    limit_workdays   integer,
    counted_workdays integer,
    running_since    date,
    due_date         date,
    at_risk_at       timestamptz,
    breach_at        timestamptz,
    urgent_at        timestamptz,
    in_time          boolean,
    same_day         boolean,
    alert_instants   timestamptz[],
    next_alert_at    timestamptz,
    stages           jsonb,
    rests_until      date,
    PRIMARY KEY (rules, course)
);

-- What is stored is as the latest rules had it; the new columns are filled by a recompute of all.
INSERT INTO recompute (rules, stretches, refolds, started_at, finished_at)
SELECT max(number), '[]', false, now(), now() FROM rulebook_version HAVING count(*) > 0;
INSERT INTO recompute (rules, stretches, refolds, started_at)
SELECT max(number), '[{"first":null,"last":null,"rests_from":null}]', true, now()
FROM rulebook_version
HAVING count(*) > 0 AND EXISTS (SELECT FROM rebate_case);

-- The days as each version of the rules has them that some case still goes by.
ALTER TABLE rule_day ADD COLUMN rules bigint;
UPDATE rule_day SET rules = (SELECT max(number) FROM rulebook_version);
DELETE FROM rule_day WHERE rules IS NULL;
ALTER TABLE rule_day DROP CONSTRAINT rule_day_pkey, ADD PRIMARY KEY (rules, day);

-- Open cells tell by which rules their dates were told.
ALTER TABLE tally ADD COLUMN rules bigint;
ALTER TABLE tally_delta ADD COLUMN rules bigint;
DROP INDEX tally_cell;
CREATE UNIQUE INDEX tally_cell ON tally
    (figure, stopped_on, event_type, outcome, category, city, verdict,
     at_risk_on, due_on, breach_on, workdays, alert_kind, rules) NULLS NOT DISTINCT;
