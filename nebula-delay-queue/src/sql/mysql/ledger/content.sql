-- queue, id
SELECT content FROM nebula_delay_ledger WHERE queue = ? AND id = ?
