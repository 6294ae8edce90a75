INSERT INTO nebula_auth_proof (revision, expires_at, body, kind, id) VALUES ($1, $2, $3, $4, $5)
