SELECT id, updated_at AS since FROM payments
WHERE state = 'PENDING' AND updated_at < $1 AND (updated_at, id) > ($2, $3)
ORDER BY updated_at, id
LIMIT $4
