-- $1 queue, $2 id, $3 rank, $4 due, $5 envelope, $6 body
INSERT INTO nebula_delay_message (queue, id, rank, due_ms, at_ms, ready_ms, envelope, body)
VALUES ($1, $2, $3, $4, $4, $4, $5, $6)
ON CONFLICT (queue, id) DO NOTHING
