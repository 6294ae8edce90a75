INSERT INTO tickets (id, order_id, session_id, position, state, issued_at) VALUES ($1, $2, $3, $4, 'VALID', $5)
ON CONFLICT DO NOTHING
