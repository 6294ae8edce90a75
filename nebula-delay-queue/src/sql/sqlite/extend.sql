-- ?1 queue, ?2 array of [id, token], ?3 end of the lease
-- CROSS JOIN fixes the order: one look-up per receipt, not one pass over the queue.
UPDATE nebula_delay_message
SET at_ms = ?3
WHERE seq IN (
    SELECT m.seq FROM json_each(?2) AS r
    CROSS JOIN nebula_delay_message AS m ON m.queue = ?1 AND m.id = r.value ->> '$[0]'
    WHERE m.token = r.value ->> '$[1]'
)
RETURNING id
