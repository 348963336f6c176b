-- What was known when: events have always kept when they came; so do the rules.

-- Each state of policies and calendar from the moment at which the service went by it. The first one
-- is taken to have been known always: before it nothing was written down.
CREATE TABLE rulebook_version (
    number      bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    version     text        NOT NULL,   -- digest of both
    known_since timestamptz NOT NULL,
    policies    jsonb       NOT NULL,
    notices     jsonb       NOT NULL
);

-- Which cases have heard of something since: events are appended in the order of their arrival.
CREATE INDEX case_event_received ON case_event USING brin (received_at);
