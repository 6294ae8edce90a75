-- Sales that open after a time, and not after another one; the next ones first.
SELECT id FROM sessions
WHERE sale_opens_at > $1 AND sale_opens_at <= $2 AND published <> 0
ORDER BY sale_opens_at
LIMIT 200
