-- ?1 queue, ?2 now, ?3 limit, ?4 end of the lease, ?5 token
-- Every rank is asked for its own, so that a rank full of delayed messages costs nothing.
UPDATE nebula_delay_message
SET ready_ms = at_ms, at_ms = ?4, token = ?5, attempts = attempts + 1
WHERE seq IN (
    SELECT seq FROM (
        SELECT * FROM (
            SELECT seq, rank, at_ms FROM nebula_delay_message
            WHERE queue = ?1 AND rank = 0 AND at_ms <= ?2 ORDER BY at_ms, seq LIMIT ?3)
        UNION ALL
        SELECT * FROM (
            SELECT seq, rank, at_ms FROM nebula_delay_message
            WHERE queue = ?1 AND rank = 1 AND at_ms <= ?2 ORDER BY at_ms, seq LIMIT ?3)
        UNION ALL
        SELECT * FROM (
            SELECT seq, rank, at_ms FROM nebula_delay_message
            WHERE queue = ?1 AND rank = 2 AND at_ms <= ?2 ORDER BY at_ms, seq LIMIT ?3)
    )
    ORDER BY rank, at_ms, seq LIMIT ?3
)
RETURNING seq, id, rank, due_ms, ready_ms, attempts, envelope, body
