SELECT orders.session_id, order_seats.position
FROM orders JOIN order_seats ON order_seats.order_id = orders.id
LEFT JOIN tickets ON tickets.order_id = orders.id AND tickets.position = order_seats.position
WHERE orders.id = $1 AND tickets.id IS NULL
ORDER BY order_seats.position
