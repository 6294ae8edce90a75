DELETE FROM nebula_auth_proof
WHERE (kind, id) IN (
    SELECT kind, id
    FROM (SELECT kind, id FROM nebula_auth_proof WHERE expires_at < $1 ORDER BY expires_at LIMIT $2) AS ended
)
