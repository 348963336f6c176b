-- name: identified_cases
-- Cases of which an event says who the enterprise is: of some names, ended before an instant, or of a
-- taxpayer; in pages.
SELECT case_id
FROM rebate_case
WHERE case_id > $1
  AND ($2::text[] IS NULL OR case_id = ANY ($2))
  AND ($3::timestamptz IS NULL OR ended_at < $3)
  AND EXISTS (SELECT FROM case_event
              WHERE case_event.case_id = rebate_case.case_id
                AND (data ? 'taxpayer_id' OR extensions IS NOT NULL)
                AND ($4::text IS NULL OR data ->> 'taxpayer_id' = $4))
ORDER BY case_id
LIMIT $5

-- name: erase_identities
UPDATE case_event AS stored
SET data = bare.data, digest = bare.digest, extensions = NULL
FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::bytea[])
    AS bare (case_id, source, id, data, digest)
WHERE (stored.case_id, stored.source, stored.id) = (bare.case_id, bare.source, bare.id)
  AND (stored.digest <> bare.digest OR stored.extensions IS NOT NULL)

-- name: mark_erased
UPDATE rebate_case SET erased_at = coalesce(erased_at, $2) WHERE case_id = ANY ($1::text[])

-- name: refused_of_cases
-- Refused events of these cases, also where the case can only be found in the bytes.
SELECT encode(digest, 'hex') AS digest
FROM quarantine
WHERE case_id = ANY ($1::text[])
   OR case_id IS NULL AND EXISTS (
          SELECT FROM unnest($1::text[]) AS told (id)
          WHERE position(convert_to(told.id, 'UTF8') IN body) > 0)
ORDER BY quarantine.digest

-- name: refused_of_taxpayer
SELECT encode(digest, 'hex') AS digest
FROM quarantine
WHERE position(convert_to($1, 'UTF8') IN body) > 0
ORDER BY quarantine.digest

-- name: refused_of_erased
SELECT encode(digest, 'hex') AS digest
FROM quarantine
WHERE case_id IN (SELECT case_id FROM rebate_case WHERE erased_at IS NOT NULL)
ORDER BY quarantine.digest

-- name: may_erase
SELECT has_table_privilege('case_event', 'UPDATE')
