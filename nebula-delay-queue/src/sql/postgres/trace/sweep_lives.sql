-- before, twice, limit
DELETE FROM nebula_delay_life
WHERE (queue, id) IN (
    SELECT queue, id FROM nebula_delay_life WHERE seen_us < $1 AND coalesce(due_us, 0) < $2
    ORDER BY seen_us LIMIT $3 FOR UPDATE SKIP LOCKED)
