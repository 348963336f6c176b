-- Excluded cases of a period, without reading all that stopped in it.
CREATE INDEX rebate_case_excluded ON rebate_case (stopped_on)
    WHERE status = 'stopped' AND NOT normal;
