-- name, version. What is longer than any rule set may be is not read.
SELECT format, CASE WHEN length(CAST(text AS BLOB)) <= 33554432 THEN text END
FROM nebula_rules_document WHERE name = ? AND version = ?
