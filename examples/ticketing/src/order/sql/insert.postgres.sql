-- The condition is the fence: a hold taken before the ledger was rebuilt must not become an order. The row is locked so
-- that a rebuild, which begins by changing it, waits for the orders that are on their way and then counts them.
INSERT INTO orders (id, user_id, session_id, state, minor, currency, fingerprint, ledger_epoch,
                    created_at, expires_at, updated_at, tenant_id)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $9, fence.tenant_id
FROM (SELECT tenant_id FROM sessions WHERE sessions.id = $3 AND sessions.ledger_epoch = $8 FOR SHARE) AS fence
ON CONFLICT (id) DO NOTHING
