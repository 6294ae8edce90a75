-- What a session has, in the archive as well; each query about it comes after this.
WITH session_orders AS (
    SELECT id, state, minor, currency, updated_at FROM orders WHERE session_id = $1
    UNION ALL
    SELECT id, state, minor, currency, updated_at FROM archived_orders WHERE session_id = $1
), session_seats AS (
    SELECT orders.id AS order_id, orders.state, order_seats.position
    FROM orders JOIN order_seats ON order_seats.order_id = orders.id WHERE orders.session_id = $1
    UNION ALL
    SELECT orders.id AS order_id, orders.state, seats.position
    FROM archived_orders AS orders JOIN archived_order_seats AS seats ON seats.order_id = orders.id
    WHERE orders.session_id = $1
), session_sold AS (
    SELECT position, order_id FROM sold_seats WHERE session_id = $1
    UNION ALL
    SELECT position, order_id FROM archived_sold_seats WHERE session_id = $1
), session_history AS (
    SELECT history.order_id, history.to_state
    FROM orders JOIN order_history AS history ON history.order_id = orders.id WHERE orders.session_id = $1
    UNION ALL
    SELECT history.order_id, history.to_state
    FROM archived_orders AS orders JOIN archived_order_history AS history ON history.order_id = orders.id
    WHERE orders.session_id = $1
), session_payments AS (
    SELECT payments.id, payments.order_id, payments.state
    FROM orders JOIN payments ON payments.order_id = orders.id WHERE orders.session_id = $1
    UNION ALL
    SELECT payments.id, payments.order_id, payments.state
    FROM archived_orders AS orders JOIN archived_payments AS payments ON payments.order_id = orders.id
    WHERE orders.session_id = $1
), session_charges AS (
    SELECT charges.order_id, charges.minor
    FROM orders JOIN charges ON charges.order_id = orders.id WHERE orders.session_id = $1
    UNION ALL
    SELECT charges.order_id, charges.minor
    FROM archived_orders AS orders JOIN archived_charges AS charges ON charges.order_id = orders.id
    WHERE orders.session_id = $1
), session_refunds AS (
    SELECT refunds.order_id, refunds.payment_id, refunds.minor, refunds.fee_minor, refunds.state
    FROM orders JOIN refunds ON refunds.order_id = orders.id WHERE orders.session_id = $1
    UNION ALL
    SELECT refunds.order_id, refunds.payment_id, refunds.minor, refunds.fee_minor, refunds.state
    FROM archived_orders AS orders JOIN archived_refunds AS refunds ON refunds.order_id = orders.id
    WHERE orders.session_id = $1
), session_tickets AS (
    SELECT id, order_id, position, state FROM tickets WHERE session_id = $1
    UNION ALL
    SELECT id, order_id, position, state FROM archived_tickets WHERE session_id = $1
), session_books AS (
    SELECT session_orders.id, session_orders.currency,
        CASE WHEN session_orders.state IN ('PAID', 'ISSUED', 'COMPLETED') THEN session_orders.minor ELSE 0 END AS tickets,
        coalesce(taken.minor, 0) AS taken, coalesce(returned.minor, 0) AS refunds, coalesce(returned.fee_minor, 0) AS fees
    FROM session_orders
    LEFT JOIN (SELECT order_id, sum(minor) AS minor FROM session_charges GROUP BY order_id) AS taken
        ON taken.order_id = session_orders.id
    LEFT JOIN (SELECT order_id, sum(minor) AS minor, sum(fee_minor) AS fee_minor FROM session_refunds
               WHERE state <> 'REFUSED' GROUP BY order_id) AS returned
        ON returned.order_id = session_orders.id
)
