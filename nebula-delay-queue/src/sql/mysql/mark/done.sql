-- until, queue, id, now. Unless it is done.
UPDATE nebula_delay_mark SET token = NULL, until_ms = ?
WHERE queue = ? AND id = ? AND (token IS NOT NULL OR until_ms <= ?)
