SELECT count(*)
FROM sold_seats
LEFT JOIN orders ON orders.id = sold_seats.order_id
LEFT JOIN order_seats ON order_seats.order_id = sold_seats.order_id AND order_seats.position = sold_seats.position
WHERE sold_seats.session_id = $1
  AND (orders.id IS NULL OR order_seats.position IS NULL
       OR orders.state NOT IN ('PAID', 'ISSUED', 'COMPLETED', 'REFUNDING'))
