-- name
SELECT version FROM nebula_rules_document WHERE name = ? ORDER BY version DESC LIMIT 100
