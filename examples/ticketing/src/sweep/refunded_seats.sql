-- Seats of refunded orders that nobody owns now: the ledger should have freed them.
SELECT order_seats.position, orders.id AS order_id
FROM orders JOIN order_seats ON order_seats.order_id = orders.id
LEFT JOIN sold_seats ON sold_seats.session_id = orders.session_id AND sold_seats.position = order_seats.position
WHERE orders.session_id = $1 AND orders.state = 'REFUNDED' AND orders.updated_at < $2 AND sold_seats.order_id IS NULL
ORDER BY orders.id
