DELETE FROM blacklist
WHERE id = $1
RETURNING id, kind, value, reason, coalesce(made_by, '') AS made_by, made_at, coalesce(expires_at, 0) AS expires_at
