DELETE FROM nebula_auth_session
WHERE id IN (
    SELECT id FROM (SELECT id FROM nebula_auth_session WHERE expires_at < $1 ORDER BY expires_at LIMIT $2) AS ended
)
