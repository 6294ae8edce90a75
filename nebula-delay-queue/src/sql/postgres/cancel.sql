-- $1 queue, $2 id, $3 now
DELETE FROM nebula_delay_message
WHERE queue = $1 AND id = $2 AND at_ms IS NOT NULL AND (token IS NULL OR at_ms <= $3)
