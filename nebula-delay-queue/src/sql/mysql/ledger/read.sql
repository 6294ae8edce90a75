-- array of ids, queue
SELECT convert(l.id USING utf8mb4) AS id, l.version, l.state, l.at_ms, l.detail
FROM JSON_TABLE(?, '$[*]' COLUMNS (id VARCHAR(256) CHARACTER SET utf8mb4 PATH '$')) AS r
STRAIGHT_JOIN nebula_delay_ledger AS l ON l.queue = ? AND l.id = r.id
