SELECT id FROM orders WHERE session_id = $1 AND state IN ('LOCKED', 'PAYING')
