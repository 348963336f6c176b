-- Where the month's mean will end, for the metrics: one row a scope and assumption. Reading it off the
-- cases costs more with more cases, which a scrape must not; so any replica does it once a minute and
-- writes it down, and all show the same.
CREATE TABLE month_foreseen (
    scope         text        NOT NULL,
    assumption    text        NOT NULL,
    mean_workdays float8,               -- NULL where there is no case to average
    foreseen_on   date        NOT NULL, -- the day it starts from, Asia/Shanghai
    foreseen_at   timestamptz NOT NULL,
    PRIMARY KEY (scope, assumption)
);
