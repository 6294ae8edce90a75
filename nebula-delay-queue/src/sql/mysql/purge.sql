-- queue, id or NULL for all
DELETE FROM nebula_delay_message
WHERE queue = ? AND died_ms IS NOT NULL AND id = coalesce(?, id)
