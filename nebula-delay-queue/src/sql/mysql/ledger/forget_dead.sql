-- queue
DELETE FROM nebula_delay_ledger WHERE queue = ? AND state = 3
