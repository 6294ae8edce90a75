-- Empty texts and the pattern '%' ask for nothing. The merchant is the wall's business.
SELECT id, user_id, session_id, state, minor, currency, fingerprint, created_at, expires_at, archived_at
FROM all_orders
WHERE id LIKE $1 AND ($2 = '' OR user_id = $2) AND ($3 = '' OR session_id = $3) AND ($4 = '' OR state = $4)
  AND created_at >= $5 AND created_at < $6
  AND (created_at < $7 OR (created_at = $7 AND id < $8))
ORDER BY created_at DESC, id DESC
LIMIT $9
