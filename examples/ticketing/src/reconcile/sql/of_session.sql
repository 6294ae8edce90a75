SELECT session_id, at, outcome, differences, report FROM stock_reports WHERE session_id = $1 ORDER BY at DESC LIMIT $2
