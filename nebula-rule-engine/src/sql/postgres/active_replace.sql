-- version, name, the version that the caller knows
UPDATE nebula_rules_active SET version = $1 WHERE name = $2 AND version = $3
