-- Raises the newest token of a resource, never lowers it. Parameters: resource, token.
-- Beginning a transaction with it takes the write lock of the database.
INSERT INTO nebula_lock_fence (resource, token) VALUES (?, ?)
ON CONFLICT (resource) DO UPDATE SET token = max(token, excluded.token)
