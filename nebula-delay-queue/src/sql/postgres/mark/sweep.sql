-- now, limit
DELETE FROM nebula_delay_mark
WHERE (queue, id) IN (
    SELECT queue, id FROM nebula_delay_mark WHERE until_ms <= $1 ORDER BY until_ms LIMIT $2 FOR UPDATE SKIP LOCKED)
    AND until_ms <= $1
