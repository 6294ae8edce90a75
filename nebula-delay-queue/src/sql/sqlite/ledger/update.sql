-- version, state, at, detail, 1 to keep the content, content, queue, id, version expected
UPDATE nebula_delay_ledger
SET version = ?1, state = ?2, at_ms = ?3, detail = ?4, content = CASE ?5 WHEN 1 THEN content ELSE ?6 END
WHERE queue = ?7 AND id = ?8 AND version = ?9
