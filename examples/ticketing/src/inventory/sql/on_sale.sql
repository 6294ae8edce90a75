-- Sessions whose seats change now; the newest first, since each costs time series.
SELECT id FROM sessions
WHERE sale_opens_at <= $1 AND sale_closes_at + hold_ms > $1
ORDER BY sale_opens_at DESC
LIMIT $2
