UPDATE payments SET state = $1, provider_txn = coalesce(provider_txn, $2), updated_at = $3
WHERE id = $4 AND (state = 'PENDING' OR $1 = 'SUCCEEDED')
