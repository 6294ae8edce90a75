SELECT
    (SELECT count(*)
     FROM orders JOIN order_seats ON order_seats.order_id = orders.id
     LEFT JOIN tickets ON tickets.order_id = orders.id AND tickets.position = order_seats.position
         AND tickets.state IN ('VALID', 'USED')
     WHERE orders.session_id = $1 AND orders.state IN ('ISSUED', 'COMPLETED') AND tickets.id IS NULL)
  + (SELECT count(*)
     FROM tickets JOIN orders ON orders.id = tickets.order_id
     WHERE tickets.session_id = $1 AND tickets.state IN ('VALID', 'USED')
       AND orders.state NOT IN ('ISSUED', 'COMPLETED'))
