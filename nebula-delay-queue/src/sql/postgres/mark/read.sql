-- queue, id, now
SELECT (token IS NULL)::int::bigint AS done, until_ms FROM nebula_delay_mark WHERE queue = $1 AND id = $2 AND until_ms > $3
