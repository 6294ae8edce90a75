-- $1 queue, $2 id, $3 now
UPDATE nebula_delay_message
SET at_ms = $3, due_ms = $3, attempts = 0, last_error = NULL, died_ms = NULL, reason = NULL
WHERE queue = $1 AND id = $2 AND died_ms IS NOT NULL
