-- name: add_audit_records
INSERT INTO audit_record (at, who, through, action, object, detail, address)
SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
                     $7::text[])

-- name: list_audit_records
-- The latest first: optional filters, the keyset and the page's size; planned for its arguments each
-- time, so that each filter finds its index.
SELECT seq, at, who, through, action, object, detail, address
FROM audit_record
WHERE ($1::text IS NULL OR who = $1)
  AND ($2::text IS NULL OR action = $2)
  AND ($3::text IS NULL OR object = $3)
  AND ($4::timestamptz IS NULL OR at >= $4)
  AND ($5::bigint IS NULL OR seq < $5)
  AND ($7::timestamptz IS NULL OR at < $7)
ORDER BY seq DESC
LIMIT $6

-- name: prune_audit_records
WITH gone AS (DELETE FROM audit_record WHERE at < $1 RETURNING 1)
SELECT count(*) FROM gone
