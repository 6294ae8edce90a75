-- One look into the index per queue, however many messages it has.
WITH RECURSIVE names (queue) AS (
    SELECT min(queue) FROM nebula_delay_message
    UNION ALL
    SELECT (SELECT min(m.queue) FROM nebula_delay_message AS m WHERE m.queue > names.queue)
    FROM names WHERE names.queue IS NOT NULL
)
SELECT convert(queue USING utf8mb4) AS queue FROM names WHERE queue IS NOT NULL
