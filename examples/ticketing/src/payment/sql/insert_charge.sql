INSERT INTO charges (provider, txn, payment_id, order_id, minor, currency, at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (provider, txn) DO NOTHING
