-- queue, id, token or NULL for done, until
INSERT INTO nebula_delay_mark (queue, id, token, until_ms) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (queue, id) DO NOTHING
