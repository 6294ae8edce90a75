-- $1 now, $2 a day later, $3 how many. Whose show's sale opens in between and who was not told. A merchant that is suspended
-- sells nothing: once it goes on, those are found that are still to open.
SELECT w.user_id, s.id AS session_id
FROM sessions s
JOIN shows h ON h.id = s.show_id
JOIN wanted_shows w ON w.show_id = h.id
JOIN nebula_tenants m ON m.tenant = s.tenant_id AND m.status = 'active'
WHERE s.published = 1 AND h.published = 1 AND h.hidden = 0
  AND s.sale_opens_at > $1 AND s.sale_opens_at <= $2
  AND NOT EXISTS (SELECT 1 FROM sale_reminders r WHERE r.session_id = s.id AND r.user_id = w.user_id)
ORDER BY s.sale_opens_at, w.user_id
LIMIT $3
