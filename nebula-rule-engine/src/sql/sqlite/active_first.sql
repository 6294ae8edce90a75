-- name, version
INSERT INTO nebula_rules_active (name, version) VALUES (?, ?) ON CONFLICT (name) DO NOTHING
