SELECT
    (SELECT count(*)
     FROM session_seats
     LEFT JOIN session_tickets ON session_tickets.order_id = session_seats.order_id
         AND session_tickets.position = session_seats.position AND session_tickets.state IN ('VALID', 'USED')
     WHERE session_seats.state IN ('ISSUED', 'COMPLETED') AND session_tickets.id IS NULL)
  + (SELECT count(*)
     FROM session_tickets JOIN session_orders ON session_orders.id = session_tickets.order_id
     WHERE session_tickets.state IN ('VALID', 'USED') AND session_orders.state NOT IN ('ISSUED', 'COMPLETED'))
