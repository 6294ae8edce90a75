-- For each order: what was taken = what its seats cost while it owns them + what went back or will + what was kept of that.
SELECT count(*) FROM orders
WHERE session_id = $1
  AND (SELECT coalesce(sum(charges.minor), 0) FROM charges WHERE charges.order_id = orders.id)
   <> (CASE WHEN state IN ('PAID', 'ISSUED', 'COMPLETED') THEN minor ELSE 0 END)
    + (SELECT coalesce(sum(refunds.minor + refunds.fee_minor), 0) FROM refunds
       WHERE refunds.order_id = orders.id AND refunds.state <> 'REFUSED')
