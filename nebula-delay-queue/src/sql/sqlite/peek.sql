-- ?1 queue, ?2 now, ?3 limit. Every rank is asked for its own.
SELECT id, at_ms FROM (
    SELECT * FROM (
        SELECT seq, id, at_ms FROM nebula_delay_message
        WHERE queue = ?1 AND rank = 0 AND at_ms IS NOT NULL AND (token IS NULL OR at_ms <= ?2)
        ORDER BY at_ms, seq LIMIT ?3)
    UNION ALL
    SELECT * FROM (
        SELECT seq, id, at_ms FROM nebula_delay_message
        WHERE queue = ?1 AND rank = 1 AND at_ms IS NOT NULL AND (token IS NULL OR at_ms <= ?2)
        ORDER BY at_ms, seq LIMIT ?3)
    UNION ALL
    SELECT * FROM (
        SELECT seq, id, at_ms FROM nebula_delay_message
        WHERE queue = ?1 AND rank = 2 AND at_ms IS NOT NULL AND (token IS NULL OR at_ms <= ?2)
        ORDER BY at_ms, seq LIMIT ?3)
)
ORDER BY at_ms, seq LIMIT ?3
