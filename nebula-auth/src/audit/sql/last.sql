SELECT number, hash FROM nebula_auth_audit ORDER BY number DESC LIMIT 1
