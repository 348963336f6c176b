-- name: open_session
INSERT INTO browser_session (digest, key_digest, opened_at, expires_at) VALUES ($1, $2, $3, $4)

-- name: key_of_session
SELECT key_digest FROM browser_session WHERE digest = $1 AND expires_at > $2

-- name: close_session
DELETE FROM browser_session WHERE digest = $1

-- name: forget_expired_sessions
DELETE FROM browser_session WHERE expires_at <= $1
