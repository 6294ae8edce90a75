-- queue, id, version, state, at, detail, content
INSERT INTO nebula_delay_ledger (queue, id, version, state, at_ms, detail, content)
VALUES (?, ?, ?, ?, ?, ?, ?)
