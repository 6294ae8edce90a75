-- At most one for a charge that has no order, and at most one for an order unless it was refused: the unique indexes say so.
INSERT INTO refunds (id, kind, payment_id, order_id, provider_txn, minor, fee_minor, currency, reason, state,
                     asked_by, from_state, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)
ON CONFLICT DO NOTHING
