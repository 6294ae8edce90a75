-- version, state, at, detail, 1 to keep the content, content, queue, id, version expected
UPDATE nebula_delay_ledger
SET version = ?, state = ?, at_ms = ?, detail = ?, content = CASE ? WHEN 1 THEN content ELSE ? END
WHERE queue = ? AND id = ? AND version = ?
