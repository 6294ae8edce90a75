-- $1 queue. One index look-up per rank.
SELECT min(at_ms) FROM (
    SELECT min(at_ms) AS at_ms FROM nebula_delay_message WHERE queue = $1 AND rank = 0 AND at_ms IS NOT NULL
    UNION ALL
    SELECT min(at_ms) FROM nebula_delay_message WHERE queue = $1 AND rank = 1 AND at_ms IS NOT NULL
    UNION ALL
    SELECT min(at_ms) FROM nebula_delay_message WHERE queue = $1 AND rank = 2 AND at_ms IS NOT NULL
) AS ranks
