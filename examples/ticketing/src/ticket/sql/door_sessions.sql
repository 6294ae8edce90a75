SELECT sessions.id, sessions.starts_at, shows.title, shows.title_zh, venues.name AS venue
FROM sessions
JOIN shows ON shows.id = sessions.show_id
JOIN plans ON plans.id = sessions.plan_id
JOIN venues ON venues.id = plans.venue_id
WHERE shows.hidden = 0 AND sessions.starts_at > $1 AND sessions.starts_at < $2 AND {merchants}
ORDER BY sessions.starts_at
LIMIT 200
