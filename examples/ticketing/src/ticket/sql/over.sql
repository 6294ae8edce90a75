SELECT orders.id
FROM orders JOIN sessions ON sessions.id = orders.session_id
WHERE orders.state = 'ISSUED' AND sessions.starts_at < $1
ORDER BY sessions.starts_at, orders.id
LIMIT $2
