-- token, until, queue, id, token, now
UPDATE nebula_delay_mark SET token = $1, until_ms = $2
WHERE queue = $3 AND id = $4 AND (token = $5 OR until_ms <= $6)
