SELECT position, true AS sold FROM sold_seats WHERE session_id = $1
UNION ALL
SELECT order_seats.position, false AS sold
FROM orders JOIN order_seats ON order_seats.order_id = orders.id
WHERE orders.session_id = $1 AND orders.state IN ('LOCKED', 'PAYING')
