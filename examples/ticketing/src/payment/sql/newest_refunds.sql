-- Each half on its own, so that either database goes through its indexes; the merchants are a condition on `orders`.
SELECT refunds.id AS id, refunds.kind, refunds.payment_id, refunds.order_id, refunds.provider_txn, refunds.minor, refunds.fee_minor,
       refunds.currency, refunds.reason, refunds.state, refunds.asked_by, refunds.from_state, refunds.note,
       refunds.created_at AS created_at, orders.tenant_id
FROM refunds JOIN orders ON orders.id = refunds.order_id
WHERE ($1 = '' OR refunds.state = $1) AND {merchants}
UNION ALL
SELECT refunds.id AS id, refunds.kind, refunds.payment_id, refunds.order_id, refunds.provider_txn, refunds.minor, refunds.fee_minor,
       refunds.currency, refunds.reason, refunds.state, refunds.asked_by, refunds.from_state, refunds.note,
       refunds.created_at AS created_at, orders.tenant_id
FROM archived_refunds AS refunds JOIN archived_orders AS orders ON orders.id = refunds.order_id
WHERE ($1 = '' OR refunds.state = $1) AND {merchants}
ORDER BY created_at DESC, id DESC
LIMIT $2
