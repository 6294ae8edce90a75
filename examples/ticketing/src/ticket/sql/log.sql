INSERT INTO ticket_scans (id, session_id, ticket_id, result, gate, staff_id, at, received_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING
