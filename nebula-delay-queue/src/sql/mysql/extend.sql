-- array of [id, token], queue, end of the lease
UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
    id VARCHAR(256) CHARACTER SET utf8mb4 PATH '$[0]',
    token VARCHAR(64) CHARACTER SET utf8mb4 PATH '$[1]'
)) AS r
STRAIGHT_JOIN nebula_delay_message AS m ON m.queue = ? AND m.id = r.id AND m.token = r.token
SET m.at_ms = ?
