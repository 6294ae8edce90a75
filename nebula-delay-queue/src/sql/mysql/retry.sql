-- array of [id, token, at, 1 if counted, error], queue
UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
    id VARCHAR(256) CHARACTER SET utf8mb4 PATH '$[0]',
    token VARCHAR(64) CHARACTER SET utf8mb4 PATH '$[1]',
    at_ms BIGINT PATH '$[2]',
    counted BIGINT PATH '$[3]',
    error MEDIUMTEXT CHARACTER SET utf8mb4 PATH '$[4]'
)) AS r
STRAIGHT_JOIN nebula_delay_message AS m ON m.queue = ? AND m.id = r.id AND m.token = r.token
SET m.at_ms = r.at_ms,
    m.token = NULL,
    m.attempts = greatest(0, m.attempts - 1 + r.counted),
    m.last_error = CASE r.counted WHEN 1 THEN r.error ELSE m.last_error END
