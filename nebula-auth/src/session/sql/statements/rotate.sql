-- The whole decision: whoever finds the presented token still current wins. MySQL assigns from left to right, so the
-- old token is put aside first.
UPDATE nebula_auth_session
SET previous_hash    = current_hash,
    current_hash     = $1,
    sealed_successor = $2,
    previous_device  = $3,
    previous_at      = $4,
    refreshed_at     = $5
WHERE id = $6
  AND current_hash = $7
  AND revoked_at IS NULL
  AND expires_at > $8
