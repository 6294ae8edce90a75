-- name, version
INSERT INTO nebula_rules_active (name, version) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING
