UPDATE nebula_auth_proof
SET revision = $1, expires_at = $2, body = $3
WHERE kind = $4 AND id = $5 AND revision = $6
