UPDATE nebula_auth_session
SET revoked_at = $1, revoke_reason = $2
WHERE id = $3 AND revoked_at IS NULL
