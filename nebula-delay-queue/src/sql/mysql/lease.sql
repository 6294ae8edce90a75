-- array of [seq, ready], end of the lease, token
UPDATE JSON_TABLE(?, '$[*]' COLUMNS (seq BIGINT PATH '$[0]', ready_ms BIGINT PATH '$[1]')) AS r
STRAIGHT_JOIN nebula_delay_message AS m ON m.seq = r.seq
SET m.ready_ms = r.ready_ms, m.at_ms = ?, m.token = ?, m.attempts = m.attempts + 1
