SELECT 1 FROM nebula_auth_session LIMIT 1
