-- $1 queue, $2 limit, $3 skip
SELECT seq, id, rank, attempts, envelope, body, last_error, died_ms, reason
FROM nebula_delay_message
WHERE queue = $1 AND died_ms IS NOT NULL
ORDER BY died_ms, seq
LIMIT $2 OFFSET $3
