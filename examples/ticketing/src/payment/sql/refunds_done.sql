SELECT refunds.id AS id, refunds.kind, refunds.payment_id, refunds.order_id, refunds.provider_txn, refunds.minor, refunds.fee_minor,
       refunds.currency, refunds.reason, refunds.state, refunds.asked_by, refunds.from_state, refunds.note,
       refunds.created_at, refunds.updated_at AS updated_at
FROM refunds JOIN payments ON payments.id = refunds.payment_id
WHERE refunds.state = 'DONE' AND payments.provider = $1 AND refunds.updated_at >= $2 AND refunds.updated_at < $3
UNION ALL
SELECT refunds.id AS id, refunds.kind, refunds.payment_id, refunds.order_id, refunds.provider_txn, refunds.minor, refunds.fee_minor,
       refunds.currency, refunds.reason, refunds.state, refunds.asked_by, refunds.from_state, refunds.note,
       refunds.created_at, refunds.updated_at AS updated_at
FROM archived_refunds AS refunds JOIN archived_payments AS payments ON payments.id = refunds.payment_id
WHERE refunds.state = 'DONE' AND payments.provider = $1 AND refunds.updated_at >= $2 AND refunds.updated_at < $3
ORDER BY updated_at, id
