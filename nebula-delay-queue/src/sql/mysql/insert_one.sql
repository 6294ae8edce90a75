-- queue, id, rank, due, envelope, body
INSERT INTO nebula_delay_message (queue, id, `rank`, due_ms, at_ms, ready_ms, envelope, body)
VALUES (?, ?, ?, ?, due_ms, due_ms, ?, ?)
