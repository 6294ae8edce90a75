-- queue, id, now
SELECT cast(token IS NULL AS SIGNED) AS done, until_ms FROM nebula_delay_mark WHERE queue = ? AND id = ? AND until_ms > ?
