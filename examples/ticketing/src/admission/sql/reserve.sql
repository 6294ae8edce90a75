INSERT INTO reservations (session_id, user_id, at)
VALUES ($1, $2, $3)
ON CONFLICT (session_id, user_id) DO NOTHING
