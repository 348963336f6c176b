-- name: cases_accepted
-- Cases by their day of acceptance, for a trial of other rules: one pass over the table.
SELECT case_id FROM rebate_case WHERE accepted_at >= $1 AND accepted_at < $2 ORDER BY case_id LIMIT $3
