-- array of [id, token], queue
DELETE m
FROM JSON_TABLE(?, '$[*]' COLUMNS (
    id VARCHAR(256) CHARACTER SET utf8mb4 PATH '$[0]',
    token VARCHAR(64) CHARACTER SET utf8mb4 PATH '$[1]'
)) AS r
STRAIGHT_JOIN nebula_delay_message AS m ON m.queue = ? AND m.id = r.id
WHERE m.token = r.token
