-- array of ids, queue
SELECT l.id, l.version, l.state, l.at_ms, l.detail
FROM jsonb_array_elements_text($1::jsonb) AS r (value)
JOIN nebula_delay_ledger AS l ON l.queue = $2 AND l.id = r.value
