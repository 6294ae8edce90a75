-- queue, id, now
DELETE FROM nebula_delay_message
WHERE queue = ? AND id = ? AND at_ms IS NOT NULL AND (token IS NULL OR at_ms <= ?)
