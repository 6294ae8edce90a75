SELECT r.session_id, r.at, r.outcome, r.differences, r.report, h.title, h.title_zh, s.starts_at
FROM stock_reports r JOIN sessions s ON s.id = r.session_id JOIN shows h ON h.id = s.show_id
WHERE r.at = (SELECT max(at) FROM stock_reports l WHERE l.session_id = r.session_id)
ORDER BY CASE r.outcome WHEN 'differs' THEN 0 WHEN 'mended' THEN 1 ELSE 2 END, s.starts_at, r.session_id
LIMIT $1
