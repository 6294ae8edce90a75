-- before, limit
DELETE FROM nebula_delay_event WHERE at_us < ? ORDER BY at_us LIMIT ?
