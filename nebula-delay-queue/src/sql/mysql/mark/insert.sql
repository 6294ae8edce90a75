-- queue, id, token or NULL for done, until
INSERT INTO nebula_delay_mark (queue, id, token, until_ms) VALUES (?, ?, ?, ?)
