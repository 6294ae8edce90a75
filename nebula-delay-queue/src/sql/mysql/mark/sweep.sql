-- now, limit
DELETE FROM nebula_delay_mark WHERE until_ms <= ? ORDER BY until_ms LIMIT ?
