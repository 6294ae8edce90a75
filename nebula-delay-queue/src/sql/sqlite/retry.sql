-- ?1 queue, ?2 array of [id, token, at, 1 if counted, error]
-- CROSS JOIN fixes the order: one look-up per request, not one pass over the queue.
WITH held AS MATERIALIZED (
    SELECT m.seq, r.value ->> '$[2]' AS at_ms, r.value ->> '$[3]' AS counted, r.value ->> '$[4]' AS error
    FROM json_each(?2) AS r
    CROSS JOIN nebula_delay_message AS m ON m.queue = ?1 AND m.id = r.value ->> '$[0]'
    WHERE m.token = r.value ->> '$[1]'
)
UPDATE nebula_delay_message
SET at_ms = held.at_ms,
    token = NULL,
    attempts = max(0, attempts - 1 + held.counted),
    last_error = CASE WHEN held.counted THEN held.error ELSE last_error END
FROM held
WHERE nebula_delay_message.seq = held.seq
RETURNING id
