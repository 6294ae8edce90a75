-- name, version
SELECT format, text FROM nebula_rules_document WHERE name = $1 AND version = $2
