-- What the sender of a refused event was bound to, so that a replay lets nobody out of it. Null: it was
-- a key, and what that is bound to by then counts.

ALTER TABLE quarantine ADD COLUMN sources text[], ADD COLUMN offices text[];
