-- array of [id, token, reason, error], queue, now
UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
    id VARCHAR(256) CHARACTER SET utf8mb4 PATH '$[0]',
    token VARCHAR(64) CHARACTER SET utf8mb4 PATH '$[1]',
    reason TEXT CHARACTER SET utf8mb4 PATH '$[2]',
    error MEDIUMTEXT CHARACTER SET utf8mb4 PATH '$[3]'
)) AS r
STRAIGHT_JOIN nebula_delay_message AS m ON m.queue = ? AND m.id = r.id AND m.token = r.token
SET m.at_ms = NULL,
    m.token = NULL,
    m.died_ms = ?,
    m.reason = r.reason,
    m.last_error = coalesce(r.error, m.last_error)
