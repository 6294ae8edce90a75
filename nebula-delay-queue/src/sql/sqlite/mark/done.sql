-- until, queue, id, now. Unless it is done.
UPDATE nebula_delay_mark SET token = NULL, until_ms = ?1
WHERE queue = ?2 AND id = ?3 AND (token IS NOT NULL OR until_ms <= ?4)
