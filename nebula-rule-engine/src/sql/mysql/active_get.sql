-- name
SELECT version FROM nebula_rules_active WHERE name = ?
