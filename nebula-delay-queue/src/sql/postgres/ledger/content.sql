-- queue, id
SELECT content FROM nebula_delay_ledger WHERE queue = $1 AND id = $2
