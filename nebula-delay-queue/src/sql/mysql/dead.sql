-- queue, limit, skip
SELECT seq, convert(id USING utf8mb4) AS id, `rank`, attempts, envelope, body, last_error, died_ms, reason
FROM nebula_delay_message
WHERE queue = ? AND died_ms IS NOT NULL
ORDER BY died_ms, seq
LIMIT ? OFFSET ?
