SELECT revision, expires_at, body FROM nebula_auth_proof WHERE kind = $1 AND id = $2
