-- queue, now, limit
DELETE FROM nebula_delay_ledger WHERE queue = ? AND state IN (0, 4) AND at_ms <= ? LIMIT ?
