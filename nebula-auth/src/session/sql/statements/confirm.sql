UPDATE nebula_auth_session
SET authenticated_at = $1, methods = $2, device = $3
WHERE id = $4 AND revoked_at IS NULL AND expires_at > $5
