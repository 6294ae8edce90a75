-- $1 queue, $2 array of [id, token], $3 end of the lease
UPDATE nebula_delay_message AS m
SET at_ms = $3
FROM jsonb_array_elements($2::jsonb) AS r (value)
WHERE m.queue = $1 AND m.id = r.value ->> 0 AND m.token = r.value ->> 1
RETURNING m.id
