-- queue, id, limit. The latest ones.
SELECT event FROM nebula_delay_event WHERE queue = $1 AND id = $2 ORDER BY at_us DESC, seq DESC LIMIT $3
