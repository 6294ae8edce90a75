-- until, queue, id, token, now. Unless somebody else is at it.
UPDATE nebula_delay_mark SET token = NULL, until_ms = ?
WHERE queue = ? AND id = ? AND (token IS NULL OR token = ? OR until_ms <= ?)
