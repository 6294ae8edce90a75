SELECT count(*)
FROM orders JOIN order_seats ON order_seats.order_id = orders.id
LEFT JOIN sold_seats ON sold_seats.session_id = orders.session_id
    AND sold_seats.position = order_seats.position
    AND sold_seats.order_id = orders.id
WHERE orders.session_id = $1
  AND orders.state IN ('PAID', 'ISSUED', 'COMPLETED', 'REFUNDING')
  AND sold_seats.order_id IS NULL
