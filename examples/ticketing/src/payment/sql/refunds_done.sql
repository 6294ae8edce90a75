SELECT refunds.* FROM refunds JOIN payments ON payments.id = refunds.payment_id
WHERE refunds.state = 'DONE' AND payments.provider = $1 AND refunds.updated_at >= $2 AND refunds.updated_at < $3
ORDER BY refunds.updated_at, refunds.id
