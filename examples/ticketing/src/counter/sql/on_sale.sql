SELECT s.id
FROM sessions s JOIN shows w ON w.id = s.show_id
WHERE s.published = 1 AND s.sale_opens_at <= $1 AND s.sale_closes_at > $1 AND w.hidden = 0
ORDER BY s.starts_at, s.id
LIMIT 200
