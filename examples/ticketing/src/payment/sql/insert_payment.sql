INSERT INTO payments (id, order_id, provider, state, minor, currency, created_at, updated_at)
VALUES ($1, $2, $3, 'PENDING', $4, $5, $6, $6)
