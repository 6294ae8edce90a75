-- until, queue, id, token, now. Unless somebody else is at it.
UPDATE nebula_delay_mark SET token = NULL, until_ms = ?1
WHERE queue = ?2 AND id = ?3 AND (token IS NULL OR token = ?4 OR until_ms <= ?5)
