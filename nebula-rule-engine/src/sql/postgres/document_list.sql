-- name
SELECT version FROM nebula_rules_document WHERE name = $1 ORDER BY version DESC LIMIT 100
