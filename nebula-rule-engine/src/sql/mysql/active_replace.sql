-- version, name, the version that the caller knows
UPDATE nebula_rules_active SET version = ? WHERE name = ? AND version = ?
