-- before, twice, limit
DELETE FROM nebula_delay_life WHERE seen_us < ? AND coalesce(due_us, 0) < ? ORDER BY seen_us LIMIT ?
