SELECT id, expires_at AS since FROM orders
WHERE state IN ('LOCKED', 'PAYING') AND expires_at < $1 AND (expires_at, id) > ($2, $3)
ORDER BY expires_at, id
LIMIT $4
