INSERT INTO order_history (order_id, version, from_state, to_state, reason, at) VALUES ($1, $2, $3, $4, $5, $6)
