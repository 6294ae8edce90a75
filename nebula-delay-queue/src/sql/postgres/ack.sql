-- $1 queue, $2 array of [id, token]. The token is compared with the row as it is when its lock is got.
DELETE FROM nebula_delay_message AS m
USING jsonb_array_elements($2::jsonb) AS r (value)
WHERE m.queue = $1 AND m.id = r.value ->> 0 AND m.token = r.value ->> 1
RETURNING m.id
