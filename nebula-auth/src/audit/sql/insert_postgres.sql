INSERT INTO nebula_auth_audit (number, at_ms, who, hash, body) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (number) DO NOTHING
