SELECT id, subject, scopes, methods, label, device,
       authenticated_at, created_at, refreshed_at, expires_at, revoked_at, revoke_reason
FROM nebula_auth_session
WHERE subject = $1
ORDER BY created_at DESC, id DESC
