-- ?1 queue, ?2 array of {id, rank, due, envelope, body (hexadecimal)}
INSERT INTO nebula_delay_message (queue, id, rank, due_ms, at_ms, ready_ms, envelope, body)
SELECT ?1, m.value ->> '$.id', m.value ->> '$.rank', m.value ->> '$.due', m.value ->> '$.due', m.value ->> '$.due',
       m.value ->> '$.envelope', unhex(m.value ->> '$.body')
FROM json_each(?2) AS m
WHERE true
ON CONFLICT (queue, id) DO NOTHING
RETURNING id
