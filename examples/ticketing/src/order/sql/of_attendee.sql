-- Empty texts ask for nothing. The merchant is the wall's business.
SELECT id, user_id, session_id, state, minor, currency, fingerprint, created_at, expires_at, archived_at
FROM all_orders
WHERE id IN (SELECT order_id FROM all_order_attendees
             WHERE ($1 = '' OR name_index = $1) AND ($2 = '' OR number_index = $2))
ORDER BY created_at DESC, id DESC
LIMIT 100
