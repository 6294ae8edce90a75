-- queue and now, for each rank; the limit. As many of each rank as are ever asked for.
SELECT convert(id USING utf8mb4) AS id, at_ms FROM (
    SELECT * FROM (
        SELECT seq, id, at_ms FROM nebula_delay_message
        WHERE queue = ? AND `rank` = 0 AND at_ms IS NOT NULL AND (token IS NULL OR at_ms <= ?)
        ORDER BY at_ms, seq LIMIT 1000) AS high
    UNION ALL
    SELECT * FROM (
        SELECT seq, id, at_ms FROM nebula_delay_message
        WHERE queue = ? AND `rank` = 1 AND at_ms IS NOT NULL AND (token IS NULL OR at_ms <= ?)
        ORDER BY at_ms, seq LIMIT 1000) AS normal
    UNION ALL
    SELECT * FROM (
        SELECT seq, id, at_ms FROM nebula_delay_message
        WHERE queue = ? AND `rank` = 2 AND at_ms IS NOT NULL AND (token IS NULL OR at_ms <= ?)
        ORDER BY at_ms, seq LIMIT 1000) AS low
) AS waiting
ORDER BY at_ms, seq LIMIT ?
