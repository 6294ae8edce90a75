-- Orders that have their seats: what was cancelled or refunded gives back what it took.
SELECT
    (SELECT count(*) FROM orders
     WHERE user_id = $1 AND session_id = $2 AND created_at >= $3
       AND state IN ('LOCKED', 'PAYING', 'PAID', 'ISSUED', 'COMPLETED', 'REFUNDING')) AS orders,
    (SELECT count(*) FROM orders JOIN order_seats ON order_seats.order_id = orders.id
     WHERE orders.session_id = $2 AND orders.state IN ('LOCKED', 'PAYING', 'PAID', 'ISSUED', 'COMPLETED', 'REFUNDING')
       AND orders.user_id IN (SELECT CAST($1 AS TEXT)
                              UNION SELECT others.id
                              FROM users AS me JOIN users AS others ON others.person_index = me.person_index
                              WHERE me.id = $1
                              UNION SELECT others.id
                              FROM users AS me JOIN users AS others ON others.phone_index = me.phone_index
                              WHERE me.id = $1
                              UNION SELECT others.user_id
                              FROM verified_identities AS me
                              JOIN verified_identities AS others ON others.identity_index = me.identity_index
                              WHERE me.user_id = $1)) AS seats
