-- ?1 queue, ?2 array of [id, token, reason, error], ?3 now
UPDATE nebula_delay_message
SET at_ms = NULL,
    token = NULL,
    died_ms = ?3,
    reason = r.value ->> '$[2]',
    last_error = coalesce(r.value ->> '$[3]', last_error)
FROM json_each(?2) AS r
WHERE nebula_delay_message.queue = ?1
  AND nebula_delay_message.id = r.value ->> '$[0]'
  AND nebula_delay_message.token = r.value ->> '$[1]'
RETURNING id
