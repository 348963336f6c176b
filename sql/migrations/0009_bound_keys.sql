-- Keys that are bound to sources and offices, that end by themselves, and that take over from others.

ALTER TABLE api_key
    ADD COLUMN sources    text[] NOT NULL DEFAULT '{}',  -- CloudEvents sources; a * ends a pattern
    ADD COLUMN offices    text[] NOT NULL DEFAULT '{}',  -- tax authority codes, with those below
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN replaces   text COLLATE "C";              -- the key_id that it was rotated from
CREATE INDEX api_key_name ON api_key (name, created_at);
