-- name, version
SELECT format, text FROM nebula_rules_document WHERE name = ? AND version = ?
