-- Raises the newest token of a resource, never lowers it, and locks its row. Parameters: resource, token.
INSERT INTO nebula_lock_fence (resource, token) VALUES (?, ?)
ON DUPLICATE KEY UPDATE token = GREATEST(token, VALUES(token))
