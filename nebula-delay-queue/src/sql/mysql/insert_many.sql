-- array of {id, rank, due, envelope, body (hexadecimal)}, queue
-- In the order of ids: two batches with the same ones wait for each other, and not both for ever.
INSERT INTO nebula_delay_message (queue, id, `rank`, due_ms, at_ms, ready_ms, envelope, body)
SELECT q.queue, m.id, m.`rank`, m.due, m.due, m.due, m.envelope, unhex(m.body)
FROM JSON_TABLE(?, '$[*]' COLUMNS (
    id VARCHAR(256) CHARACTER SET utf8mb4 PATH '$.id',
    `rank` BIGINT PATH '$.rank',
    due BIGINT PATH '$.due',
    envelope MEDIUMTEXT CHARACTER SET utf8mb4 PATH '$.envelope',
    body MEDIUMTEXT CHARACTER SET utf8mb4 PATH '$.body'
)) AS m
CROSS JOIN (SELECT ? AS queue) AS q
ORDER BY m.id
