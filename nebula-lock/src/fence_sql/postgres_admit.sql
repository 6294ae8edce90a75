-- Raises the newest token of a resource, never lowers it, and locks its row. Parameters: resource, token.
INSERT INTO nebula_lock_fence (resource, token) VALUES ($1, $2)
ON CONFLICT (resource) DO UPDATE SET token = GREATEST(nebula_lock_fence.token, excluded.token)
