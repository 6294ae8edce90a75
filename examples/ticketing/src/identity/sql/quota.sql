-- Tickets of orders that have their seats: what was cancelled or refunded gives back what it took.
SELECT
    (SELECT count(*) FROM order_attendees JOIN orders ON orders.id = order_attendees.order_id
     WHERE order_attendees.identity_index = $1 AND orders.session_id = $2
       AND orders.state IN ('LOCKED', 'PAYING', 'PAID', 'ISSUED', 'COMPLETED', 'REFUNDING')) AS of_session,
    (SELECT count(*) FROM order_attendees JOIN orders ON orders.id = order_attendees.order_id
     WHERE order_attendees.identity_index = $1 AND orders.created_at >= $3
       AND orders.state IN ('LOCKED', 'PAYING', 'PAID', 'ISSUED', 'COMPLETED', 'REFUNDING')) AS of_day
