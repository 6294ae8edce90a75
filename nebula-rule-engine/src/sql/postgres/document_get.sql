-- name, version. What is longer than any rule set may be is not read.
SELECT format, CASE WHEN octet_length(text) <= 33554432 THEN text END
FROM nebula_rules_document WHERE name = $1 AND version = $2
