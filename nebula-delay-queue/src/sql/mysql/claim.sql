-- queue, rank, now, limit. What another worker is taking at this moment is passed over.
SELECT seq, convert(id USING utf8mb4) AS id, `rank`, due_ms, at_ms AS ready_ms, attempts + 1 AS attempts, envelope, body
FROM nebula_delay_message
WHERE queue = ? AND `rank` = ? AND at_ms <= ?
ORDER BY at_ms, seq
LIMIT ?
FOR UPDATE SKIP LOCKED
