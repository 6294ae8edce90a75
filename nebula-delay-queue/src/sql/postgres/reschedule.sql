-- $1 queue, $2 id, $3 now, $4 due
UPDATE nebula_delay_message
SET due_ms = $4, at_ms = $4, token = NULL
WHERE queue = $1 AND id = $2 AND at_ms IS NOT NULL AND (token IS NULL OR at_ms <= $3)
