SELECT count(*) FROM (
    SELECT order_id FROM session_history
    WHERE to_state IN ('PAID', 'CANCELLED', 'TIMEOUT_CANCELLED')
    GROUP BY order_id
    HAVING count(*) > 1
) AS orders_changed_twice
