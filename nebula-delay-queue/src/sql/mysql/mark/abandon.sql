-- queue, id, token
DELETE FROM nebula_delay_mark WHERE queue = ? AND id = ? AND token = ?
