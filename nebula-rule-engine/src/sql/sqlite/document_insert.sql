-- name, version, format, text, when
INSERT INTO nebula_rules_document (name, version, format, text, stored_ms) VALUES (?, ?, ?, ?, ?)
