SELECT reservations.session_id || ':' || reservations.user_id AS reservation
FROM reservations
JOIN sessions ON sessions.id = reservations.session_id
WHERE sessions.sale_closes_at > $1
  AND reservations.session_id || ':' || reservations.user_id > $2
ORDER BY reservation
LIMIT $3
