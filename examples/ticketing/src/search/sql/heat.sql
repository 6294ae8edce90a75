SELECT sessions.show_id, COUNT(*) AS sold FROM sessions
JOIN sold_seats ON sold_seats.session_id = sessions.id
WHERE sessions.starts_at > $1 GROUP BY sessions.show_id
