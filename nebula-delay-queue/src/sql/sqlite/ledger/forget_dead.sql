-- queue
DELETE FROM nebula_delay_ledger WHERE queue = ?1 AND state = 3
