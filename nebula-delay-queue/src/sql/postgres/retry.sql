-- $1 queue, $2 array of [id, token, at, 1 if counted, error]
UPDATE nebula_delay_message AS m
SET at_ms = (r.value ->> 2)::bigint,
    token = NULL,
    attempts = greatest(0, m.attempts - 1 + (r.value ->> 3)::bigint),
    last_error = CASE WHEN r.value ->> 3 = '1' THEN r.value ->> 4 ELSE m.last_error END
FROM jsonb_array_elements($2::jsonb) AS r (value)
WHERE m.queue = $1 AND m.id = r.value ->> 0 AND m.token = r.value ->> 1
RETURNING m.id
