INSERT INTO refunds (id, payment_id, order_id, provider_txn, minor, currency, reason, state, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'PENDING', $8, $8)
ON CONFLICT (provider_txn) DO NOTHING
