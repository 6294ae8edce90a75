-- name, version
INSERT INTO nebula_rules_active (name, version) VALUES (?, ?)
ON DUPLICATE KEY UPDATE version = VALUES(version)
