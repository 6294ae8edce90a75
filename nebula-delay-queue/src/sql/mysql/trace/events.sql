-- array of {queue, id, at, event}
INSERT INTO nebula_delay_event (queue, id, at_us, event)
SELECT m.queue, m.id, m.at_us, m.event
FROM JSON_TABLE(?, '$[*]' COLUMNS (
    queue VARCHAR(200) CHARACTER SET utf8mb4 PATH '$.queue',
    id VARCHAR(256) CHARACTER SET utf8mb4 PATH '$.id',
    at_us BIGINT PATH '$.at',
    event MEDIUMTEXT CHARACTER SET utf8mb4 PATH '$.event'
)) AS m
