UPDATE tickets SET state = 'USED', used_at = $1, used_gate = $2
WHERE id = $3 AND session_id = $4 AND state = 'VALID'
