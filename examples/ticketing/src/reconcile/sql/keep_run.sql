INSERT INTO stock_runs (at, sessions, mended, differing, failed) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (at) DO NOTHING
