SELECT count(*) FROM (
    SELECT order_history.order_id
    FROM order_history JOIN orders ON orders.id = order_history.order_id
    WHERE orders.session_id = $1 AND order_history.to_state IN ('PAID', 'CANCELLED', 'TIMEOUT_CANCELLED')
    GROUP BY order_history.order_id
    HAVING count(*) > 1
) AS orders_changed_twice
