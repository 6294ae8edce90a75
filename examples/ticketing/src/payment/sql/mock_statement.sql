SELECT CAST(NULL AS TEXT) AS refund_id, payment_id, txn, minor, currency, coalesce(paid_at, updated_at) AS at
FROM mock_charges
WHERE state IN ('PAID', 'REFUNDED') AND txn IS NOT NULL
  AND coalesce(paid_at, updated_at) >= $1 AND coalesce(paid_at, updated_at) < $2
UNION ALL
SELECT refund_id, payment_id, txn, minor, currency, at FROM mock_refunds
WHERE state = 'DONE' AND at >= $1 AND at < $2
ORDER BY 6
