INSERT INTO blacklist (id, kind, value, reason, made_by, made_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (kind, value) DO UPDATE SET
    reason = excluded.reason, made_by = excluded.made_by, made_at = excluded.made_at, expires_at = excluded.expires_at
RETURNING id, kind, value, reason, coalesce(made_by, '') AS made_by, made_at, coalesce(expires_at, 0) AS expires_at
