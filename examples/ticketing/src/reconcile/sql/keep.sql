INSERT INTO stock_reports (session_id, at, outcome, differences, report) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (session_id, at) DO UPDATE SET outcome = excluded.outcome, differences = excluded.differences, report = excluded.report
