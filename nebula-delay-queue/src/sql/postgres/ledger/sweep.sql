-- queue, now, limit
DELETE FROM nebula_delay_ledger
WHERE (queue, id) IN (
    SELECT queue, id FROM nebula_delay_ledger
    WHERE queue = $1 AND state IN (0, 4) AND at_ms <= $2 LIMIT $3 FOR UPDATE SKIP LOCKED)
    AND state IN (0, 4)
