-- $1 queue, $2 id or NULL for all
DELETE FROM nebula_delay_message
WHERE queue = $1 AND died_ms IS NOT NULL AND ($2::text IS NULL OR id = $2)
