-- One question for the order, its seats ({seats}: a row of parameters for each) and the beginning of its history.
-- The condition is the fence: a hold taken before the ledger was rebuilt must not become an order. The row is locked so
-- that a rebuild, which begins by changing it, waits for the orders that are on their way and then counts them.
WITH made AS (
    INSERT INTO orders (id, user_id, session_id, state, minor, currency, fingerprint, ledger_epoch,
                        created_at, expires_at, updated_at, tenant_id)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $9, fence.tenant_id
    FROM (SELECT tenant_id FROM sessions WHERE sessions.id = $3 AND sessions.ledger_epoch = $8 FOR SHARE) AS fence
    ON CONFLICT (id) DO NOTHING
    RETURNING id, state, created_at
), seated AS (
    INSERT INTO order_seats (order_id, position, guid, category, minor)
    SELECT made.id, seat.position, seat.guid, seat.category, seat.minor
    FROM made, (VALUES {seats}) AS seat (position, guid, category, minor)
), noted AS (
    INSERT INTO order_history (order_id, version, from_state, to_state, reason, at)
    SELECT id, 1, $11, state, $12, created_at FROM made
)
SELECT count(*) FROM made
