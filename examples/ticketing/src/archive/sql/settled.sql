orders.state IN ('COMPLETED', 'CANCELLED', 'TIMEOUT_CANCELLED', 'REFUNDED', 'RESCHEDULED')
  AND orders.updated_at < $1
  AND EXISTS (SELECT 1 FROM sessions
              WHERE sessions.id = orders.session_id AND sessions.starts_at < $2 AND sessions.sale_closes_at < $1)
  AND NOT EXISTS (SELECT 1 FROM payments
                  WHERE payments.order_id = orders.id AND (payments.state = 'PENDING' OR payments.updated_at >= $1))
  AND NOT EXISTS (SELECT 1 FROM charges WHERE charges.order_id = orders.id AND charges.at >= $1)
  -- A charge that the provider refused to take back may be sent again.
  AND NOT EXISTS (SELECT 1 FROM refunds
                  WHERE refunds.order_id = orders.id
                    AND (refunds.state IN ('REQUESTED', 'PENDING') OR refunds.updated_at >= $1
                         OR (refunds.kind = 'CHARGE' AND refunds.state = 'REFUSED')))
  AND NOT EXISTS (SELECT 1 FROM tickets WHERE tickets.order_id = orders.id AND tickets.used_at >= $1)
  -- Books that do not balance stay where somebody looks.
  AND (SELECT coalesce(sum(charges.minor), 0) FROM charges WHERE charges.order_id = orders.id)
    = (CASE WHEN orders.state = 'COMPLETED' THEN orders.minor ELSE 0 END)
    + (SELECT coalesce(sum(CASE WHEN refunds.state = 'DONE' THEN refunds.minor + refunds.fee_minor ELSE 0 END), 0)
       FROM refunds WHERE refunds.order_id = orders.id)
