-- before, limit
DELETE FROM nebula_delay_event
WHERE seq IN (
    SELECT seq FROM nebula_delay_event WHERE at_us < $1 ORDER BY at_us LIMIT $2 FOR UPDATE SKIP LOCKED)
