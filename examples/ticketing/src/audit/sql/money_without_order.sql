SELECT count(*)
FROM session_payments JOIN session_orders ON session_orders.id = session_payments.order_id
LEFT JOIN session_refunds ON session_refunds.payment_id = session_payments.id
WHERE session_payments.state = 'SUCCEEDED'
  AND session_orders.state NOT IN ('PAID', 'ISSUED', 'COMPLETED', 'REFUNDING', 'REFUNDED')
  AND session_refunds.payment_id IS NULL
