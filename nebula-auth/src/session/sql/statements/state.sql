SELECT expires_at, revoked_at, revoke_reason, previous_hash, previous_at, previous_device, sealed_successor
FROM nebula_auth_session
WHERE id = $1
