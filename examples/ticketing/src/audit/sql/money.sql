SELECT orders.currency,
    CAST(coalesce(sum((SELECT sum(charges.minor) FROM charges WHERE charges.order_id = orders.id)), 0) AS BIGINT) AS minor,
    CAST(coalesce(sum(CASE WHEN state IN ('PAID', 'ISSUED', 'COMPLETED') THEN minor ELSE 0 END), 0) AS BIGINT) AS tickets,
    CAST(coalesce(sum((SELECT sum(refunds.minor) FROM refunds
        WHERE refunds.order_id = orders.id AND refunds.state <> 'REFUSED')), 0) AS BIGINT) AS refunds,
    CAST(coalesce(sum((SELECT sum(refunds.fee_minor) FROM refunds
        WHERE refunds.order_id = orders.id AND refunds.state <> 'REFUSED')), 0) AS BIGINT) AS fees
FROM orders
WHERE orders.session_id = $1
GROUP BY orders.currency
ORDER BY orders.currency
