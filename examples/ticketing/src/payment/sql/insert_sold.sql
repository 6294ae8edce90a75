-- A seat that is sold already is left out: whoever runs this counts.
INSERT INTO sold_seats (session_id, position, order_id, at)
SELECT orders.session_id, order_seats.position, orders.id, $2
FROM orders JOIN order_seats ON order_seats.order_id = orders.id
WHERE orders.id = $1
ORDER BY order_seats.position
ON CONFLICT (session_id, position) DO NOTHING
