SELECT id, kind, value, reason, coalesce(made_by, '') AS made_by, made_at, coalesce(expires_at, 0) AS expires_at
FROM blacklist
WHERE expires_at IS NULL OR expires_at > $1
ORDER BY made_at DESC
