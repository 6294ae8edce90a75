INSERT INTO sold_seats (session_id, position, order_id, at)
SELECT orders.session_id, order_seats.position, orders.id, ?2
FROM orders JOIN order_seats ON order_seats.order_id = orders.id
WHERE orders.id = ?1
