-- name: add_key
INSERT INTO api_key (key_id, name, digest, scopes, sources, offices, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: keys_by_digest
SELECT digest, key_id, name, scopes, sources, offices
FROM api_key
WHERE digest = ANY ($1::bytea[]) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())

-- name: list_keys
SELECT key_id, name, scopes, sources, offices, created_at, expires_at, revoked_at, replaces
FROM api_key
ORDER BY created_at, key_id

-- name: revoke_key
UPDATE api_key SET revoked_at = coalesce(revoked_at, $2) WHERE key_id = $1 RETURNING name

-- name: rotate_key
-- A new key ($2, of digest $3) like one that still counts, for as long as that one was made for; the old
-- one ends at $5 at the latest.
WITH old AS (
    UPDATE api_key SET expires_at = least(expires_at, $5::timestamptz)
    WHERE key_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $4::timestamptz)
    RETURNING key_id
)
INSERT INTO api_key (key_id, name, digest, scopes, sources, offices, created_at, expires_at, replaces)
SELECT $2, name, $3, scopes, sources, offices, $4, $4 + (expires_at - created_at), key_id
FROM api_key JOIN old USING (key_id)
RETURNING name

-- name: bind_key
UPDATE api_key SET sources = $2, offices = $3 WHERE key_id = $1 RETURNING name

-- name: bounds_by_name
-- What the latest key of each name is bound to.
SELECT DISTINCT ON (name) name, sources, offices
FROM api_key
WHERE name = ANY ($1::text[])
ORDER BY name, created_at DESC
