-- Who looked at which case, and who changed what. Rows are only ever added: the role that the service
-- runs as can neither change nor delete them.

CREATE TABLE audit_record (
    seq     bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    at      timestamptz NOT NULL,
    who     text        NOT NULL,  -- the name of a key, of a person, or of the account of a command
    through text        NOT NULL,  -- key, proxy, nobody or command
    action  text        NOT NULL,
    object  text        NOT NULL,  -- the case, the key, the notice: what it was done to
    detail  text        NOT NULL DEFAULT '',
    address text                   -- where a request came from
);
CREATE INDEX audit_record_at ON audit_record USING brin (at);
CREATE INDEX audit_record_who ON audit_record (who, seq);
CREATE INDEX audit_record_object ON audit_record (object, seq);
