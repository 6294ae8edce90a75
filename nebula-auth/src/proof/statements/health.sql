SELECT 1 FROM nebula_auth_proof LIMIT 1
