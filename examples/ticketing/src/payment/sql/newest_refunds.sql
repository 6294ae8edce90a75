SELECT refunds.*
FROM refunds JOIN orders ON orders.id = refunds.order_id
WHERE ($1 = '' OR refunds.state = $1) AND {merchants}
ORDER BY refunds.created_at DESC, refunds.id DESC
LIMIT $2
