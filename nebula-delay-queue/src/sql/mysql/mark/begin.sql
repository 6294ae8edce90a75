-- token, until, queue, id, token, now
UPDATE nebula_delay_mark SET token = ?, until_ms = ?
WHERE queue = ? AND id = ? AND (token = ? OR until_ms <= ?)
