SELECT count(*) FROM (
    SELECT order_seats.position
    FROM orders JOIN order_seats ON order_seats.order_id = orders.id
    WHERE orders.session_id = $1 AND orders.state IN ('PAID', 'ISSUED', 'COMPLETED', 'REFUNDING')
    GROUP BY order_seats.position
    HAVING count(*) > 1
) AS seats
