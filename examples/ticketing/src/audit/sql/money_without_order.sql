SELECT count(*)
FROM payments JOIN orders ON orders.id = payments.order_id
LEFT JOIN refunds ON refunds.payment_id = payments.id
WHERE orders.session_id = $1
  AND payments.state = 'SUCCEEDED'
  AND orders.state NOT IN ('PAID', 'ISSUED', 'COMPLETED', 'REFUNDING', 'REFUNDED')
  AND refunds.id IS NULL
