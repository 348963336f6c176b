-- Since when it is erased who the enterprise of a case is. What the case is told from then on is stripped of it
-- before it is compared or stored.
ALTER TABLE rebate_case ADD COLUMN erased_at timestamptz;
