SELECT id FROM orders
WHERE state IN ('LOCKED', 'PAYING') AND expires_at < $1
ORDER BY expires_at
LIMIT $2
