-- queue, id, version, state, at, detail, content
INSERT INTO nebula_delay_ledger (queue, id, version, state, at_ms, detail, content)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (queue, id) DO NOTHING
