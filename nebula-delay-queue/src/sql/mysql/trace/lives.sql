-- array of {queue, id, seen, says (0 for nothing), due}. Only what is later says anything new. Assignments see those before them.
-- In the order of names: two batches with the same ones wait for each other, and not both for ever.
INSERT INTO nebula_delay_life (queue, id, seen_us, says_us, due_us)
SELECT m.queue, m.id, m.seen, m.says, m.due
FROM JSON_TABLE(?, '$[*]' COLUMNS (
    queue VARCHAR(200) CHARACTER SET utf8mb4 PATH '$.queue',
    id VARCHAR(256) CHARACTER SET utf8mb4 PATH '$.id',
    seen BIGINT PATH '$.seen',
    says BIGINT PATH '$.says',
    due BIGINT PATH '$.due'
)) AS m
ORDER BY m.queue, m.id
ON DUPLICATE KEY UPDATE
    due_us = CASE WHEN VALUES(says_us) >= says_us THEN VALUES(due_us) ELSE due_us END,
    says_us = greatest(says_us, VALUES(says_us)),
    seen_us = greatest(seen_us, VALUES(seen_us))
