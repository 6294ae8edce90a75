SELECT count(*) FROM orders WHERE session_id = $1 AND state IN ('LOCKED', 'PAYING') AND expires_at < $2
