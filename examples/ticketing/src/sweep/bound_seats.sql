-- Seats of orders that bind them and have not changed lately: what changed a moment ago may still be on its way.
SELECT order_seats.position, orders.id AS order_id
FROM orders JOIN order_seats ON order_seats.order_id = orders.id
WHERE orders.session_id = $1
  AND orders.state IN ('LOCKED', 'PAYING', 'PAID', 'ISSUED', 'COMPLETED', 'REFUNDING')
  AND orders.updated_at < $2
