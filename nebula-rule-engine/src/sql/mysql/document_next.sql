-- name
SELECT coalesce(max(version), 0) + 1 FROM nebula_rules_document WHERE name = ?
