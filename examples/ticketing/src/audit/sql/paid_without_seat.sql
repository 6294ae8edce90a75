SELECT count(*)
FROM session_seats
LEFT JOIN session_sold ON session_sold.position = session_seats.position AND session_sold.order_id = session_seats.order_id
WHERE session_seats.state IN ('PAID', 'ISSUED', 'COMPLETED', 'REFUNDING') AND session_sold.order_id IS NULL
