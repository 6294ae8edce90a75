SELECT provider, day, differences, at FROM statement_reports ORDER BY day DESC, provider LIMIT $1
