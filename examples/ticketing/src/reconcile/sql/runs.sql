SELECT at, sessions, mended, differing, failed FROM stock_runs ORDER BY at DESC LIMIT $1
