-- What the board needs: who is signed in with a browser, and when the last news came.

-- A session stands for the key that it was opened with: it may what the key may, as long as the key counts.
CREATE TABLE browser_session (
    digest     bytea       PRIMARY KEY,   -- of the secret in the cookie
    key_digest bytea       NOT NULL,      -- api_key.digest, or that of REBATE_ADMIN_KEY
    opened_at  timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX browser_session_expires ON browser_session (expires_at);

-- When events were last accepted, to the two seconds in which the compaction comes by.
CREATE TABLE ingest_state (
    is_only  boolean     PRIMARY KEY DEFAULT true CHECK (is_only),
    heard_at timestamptz
);
INSERT INTO ingest_state DEFAULT VALUES;
