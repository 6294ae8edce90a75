-- $1 queue, $2 now, $3 limit, $4 end of the lease, $5 token
-- Every rank is asked for its own, so that a rank full of delayed messages costs nothing. What another worker is taking
-- at this moment is passed over.
WITH picked AS MATERIALIZED (
    SELECT seq FROM (
        SELECT * FROM (
            SELECT seq, rank, at_ms FROM nebula_delay_message
            WHERE queue = $1 AND rank = 0 AND at_ms <= $2 ORDER BY at_ms, seq LIMIT $3 FOR UPDATE SKIP LOCKED) AS high
        UNION ALL
        SELECT * FROM (
            SELECT seq, rank, at_ms FROM nebula_delay_message
            WHERE queue = $1 AND rank = 1 AND at_ms <= $2 ORDER BY at_ms, seq LIMIT $3 FOR UPDATE SKIP LOCKED) AS normal
        UNION ALL
        SELECT * FROM (
            SELECT seq, rank, at_ms FROM nebula_delay_message
            WHERE queue = $1 AND rank = 2 AND at_ms <= $2 ORDER BY at_ms, seq LIMIT $3 FOR UPDATE SKIP LOCKED) AS low
    ) AS due
    ORDER BY rank, at_ms, seq LIMIT $3
)
UPDATE nebula_delay_message AS m
SET ready_ms = m.at_ms, at_ms = $4, token = $5, attempts = m.attempts + 1
FROM picked
WHERE m.seq = picked.seq
RETURNING m.seq, m.id, m.rank, m.due_ms, m.ready_ms, m.attempts, m.envelope, m.body
