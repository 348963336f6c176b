-- name: identified_cases
-- Cases of which an event says who the enterprise is: of some names, or ended before an instant; in pages.
SELECT case_id
FROM rebate_case
WHERE case_id > $1
  AND ($2::text[] IS NULL OR case_id = ANY ($2))
  AND ($3::timestamptz IS NULL OR ended_at < $3)
  AND EXISTS (SELECT FROM case_event
              WHERE case_event.case_id = rebate_case.case_id
                AND (data ? 'taxpayer_id' OR extensions IS NOT NULL))
ORDER BY case_id
LIMIT $4

-- name: erase_identities
-- The digest stays, so that the same event told again is still known, and not stored anew.
WITH erased AS (
    UPDATE case_event SET data = data - 'taxpayer_id', extensions = NULL
    WHERE case_id = ANY ($1::text[]) AND (data ? 'taxpayer_id' OR extensions IS NOT NULL)
    RETURNING 1
)
SELECT count(*) FROM erased

-- name: refused_of_cases
SELECT encode(digest, 'hex') AS digest FROM quarantine WHERE case_id = ANY ($1::text[]) ORDER BY digest
