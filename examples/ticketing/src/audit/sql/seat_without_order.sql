SELECT count(*)
FROM session_sold
LEFT JOIN session_seats
    ON session_seats.order_id = session_sold.order_id AND session_seats.position = session_sold.position
WHERE session_seats.order_id IS NULL OR session_seats.state NOT IN ('PAID', 'ISSUED', 'COMPLETED', 'REFUNDING')
