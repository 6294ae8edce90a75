-- array of ids, queue
SELECT l.id, l.version, l.state, l.at_ms, l.detail
FROM json_each(?1) AS r
CROSS JOIN nebula_delay_ledger AS l ON l.queue = ?2 AND l.id = r.value
