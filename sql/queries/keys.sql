-- name: add_key
INSERT INTO api_key (key_id, name, digest, scopes, created_at) VALUES ($1, $2, $3, $4, $5)

-- name: keys_by_digest
SELECT digest, name, scopes FROM api_key WHERE digest = ANY ($1::bytea[]) AND revoked_at IS NULL

-- name: list_keys
SELECT key_id, name, scopes, created_at, revoked_at FROM api_key ORDER BY created_at, key_id

-- name: revoke_key
UPDATE api_key SET revoked_at = coalesce(revoked_at, $2) WHERE key_id = $1 RETURNING name
