-- The whole decision: whoever finds the presented token still current wins.
UPDATE nebula_auth_session
SET previous_hash    = current_hash,
    current_hash     = ?1,
    sealed_successor = ?2,
    previous_device  = ?3,
    previous_at      = ?4,
    refreshed_at     = ?4
WHERE id = ?5
  AND current_hash = ?6
  AND revoked_at IS NULL
  AND expires_at > ?4
