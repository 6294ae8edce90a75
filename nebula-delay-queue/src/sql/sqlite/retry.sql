-- ?1 queue, ?2 array of [id, token, at, 1 if counted, error]
UPDATE nebula_delay_message
SET at_ms = r.value ->> '$[2]',
    token = NULL,
    attempts = max(0, attempts - 1 + (r.value ->> '$[3]')),
    last_error = CASE WHEN r.value ->> '$[3]' THEN r.value ->> '$[4]' ELSE last_error END
FROM json_each(?2) AS r
WHERE nebula_delay_message.queue = ?1
  AND nebula_delay_message.id = r.value ->> '$[0]'
  AND nebula_delay_message.token = r.value ->> '$[1]'
RETURNING id
