-- ?1 queue, ?2 array of [id, token, reason, error], ?3 now
-- CROSS JOIN fixes the order: one look-up per request, not one pass over the queue.
WITH held AS MATERIALIZED (
    SELECT m.seq, r.value ->> '$[2]' AS reason, r.value ->> '$[3]' AS error
    FROM json_each(?2) AS r
    CROSS JOIN nebula_delay_message AS m ON m.queue = ?1 AND m.id = r.value ->> '$[0]'
    WHERE m.token = r.value ->> '$[1]'
)
UPDATE nebula_delay_message
SET at_ms = NULL,
    token = NULL,
    died_ms = ?3,
    reason = held.reason,
    last_error = coalesce(held.error, last_error)
FROM held
WHERE nebula_delay_message.seq = held.seq
RETURNING id
