-- $1 queue, $2 array of {id, rank, due, envelope, body (hexadecimal)}
-- In the order of ids: two batches with the same ones wait for each other, and not both for ever.
INSERT INTO nebula_delay_message (queue, id, rank, due_ms, at_ms, ready_ms, envelope, body)
SELECT $1, m.id, m.rank, m.due, m.due, m.due, m.envelope, decode(m.body, 'hex')
FROM jsonb_to_recordset($2::jsonb) AS m (id text, rank bigint, due bigint, envelope text, body text)
ORDER BY m.id
ON CONFLICT (queue, id) DO NOTHING
RETURNING id
