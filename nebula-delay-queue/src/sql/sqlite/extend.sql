-- ?1 queue, ?2 array of [id, token], ?3 end of the lease
UPDATE nebula_delay_message
SET at_ms = ?3
FROM json_each(?2) AS r
WHERE nebula_delay_message.queue = ?1
  AND nebula_delay_message.id = r.value ->> '$[0]'
  AND nebula_delay_message.token = r.value ->> '$[1]'
RETURNING id
