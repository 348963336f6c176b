-- What reports read beside the figures: where a case spent its days, and the rules and names by day
-- and code, so that SQL can count workdays without a calendar of its own.

-- Both as the case folds; NULL until it is folded anew (`rebate-monitor recompute`).
ALTER TABLE rebate_case
    ADD COLUMN stages      jsonb,   -- [{case_stage, workdays}], by its milestones
    ADD COLUMN suspensions jsonb;   -- [{reason, effect, start, end}]
CREATE INDEX rebate_case_once_suspended ON rebate_case (accepted_at) WHERE suspensions <> '[]';

-- Look-up tables, written by the service at its start and whenever its rules or names have changed.
CREATE TABLE rule_day (
    day                 date    PRIMARY KEY,
    kind                text    NOT NULL,
    name                text,
    notice              text,
    provisional         boolean NOT NULL,
    workday_number      integer NOT NULL,  -- W(day): workdays up to and including it
    policy_id           text,
    lapsed              boolean NOT NULL,
    target_all          numeric,           -- mean workdays that the policy of this day asks for
    target_category_1_2 numeric
);

CREATE TABLE place (
    code    text COLLATE "C" PRIMARY KEY,  -- six digits: a city; eleven: an office
    name_zh text NOT NULL,
    name_en text NOT NULL
);

-- One row: which rules and names the look-up tables hold, and where the service is reached.
CREATE TABLE lookup_state (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version  text,
    link     text
);
INSERT INTO lookup_state DEFAULT VALUES;
