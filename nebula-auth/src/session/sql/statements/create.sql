INSERT INTO nebula_auth_session (
    id, subject, scopes, methods, label, device,
    authenticated_at, created_at, refreshed_at, expires_at, revoked_at, revoke_reason, current_hash
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
