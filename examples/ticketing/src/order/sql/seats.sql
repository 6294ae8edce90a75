SELECT order_seats.position, order_seats.guid, order_seats.category, order_seats.minor, orders.currency
FROM order_seats JOIN orders ON orders.id = order_seats.order_id
WHERE order_seats.order_id = $1
ORDER BY order_seats.position
