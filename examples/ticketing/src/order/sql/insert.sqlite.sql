-- The condition is the fence: a hold taken before the ledger was rebuilt must not become an order.
INSERT INTO orders (id, user_id, session_id, state, minor, currency, fingerprint, ledger_epoch,
                    created_at, expires_at, updated_at, tenant_id)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $9, sessions.tenant_id
FROM sessions
WHERE sessions.id = $3 AND sessions.ledger_epoch = $8
ON CONFLICT (id) DO NOTHING
