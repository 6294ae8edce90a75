-- name, version
INSERT IGNORE INTO nebula_rules_active (name, version) VALUES (?, ?)
