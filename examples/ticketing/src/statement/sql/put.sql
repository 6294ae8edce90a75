INSERT INTO statement_reports (provider, day, differences, report, at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (provider, day) DO UPDATE SET differences = excluded.differences, report = excluded.report, at = excluded.at
