INSERT INTO till_entries (id, kind, tenant_id, clerk_id, day, method, order_id, payment_id, minor, currency, channel,
                          commission_bp, reference, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
