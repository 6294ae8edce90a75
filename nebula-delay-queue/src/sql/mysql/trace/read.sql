-- queue, id, limit. The latest ones.
SELECT event FROM nebula_delay_event WHERE queue = ? AND id = ? ORDER BY at_us DESC, seq DESC LIMIT ?
