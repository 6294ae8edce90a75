INSERT INTO counter_sales (order_id, tenant_id, clerk_id, channel, commission_bp, name_sealed, email_sealed, language, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
