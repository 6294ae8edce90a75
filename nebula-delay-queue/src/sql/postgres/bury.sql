-- $1 queue, $2 array of [id, token, reason, error], $3 now
UPDATE nebula_delay_message AS m
SET at_ms = NULL,
    token = NULL,
    died_ms = $3,
    reason = r.value ->> 2,
    last_error = coalesce(r.value ->> 3, m.last_error)
FROM jsonb_array_elements($2::jsonb) AS r (value)
WHERE m.queue = $1 AND m.id = r.value ->> 0 AND m.token = r.value ->> 1
RETURNING m.id
