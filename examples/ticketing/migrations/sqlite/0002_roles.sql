-- Roles are kept by nebula-auth: buyers have none, and whoever was an administrator is appointed at the next start.
CREATE TABLE former_administrators (user_id TEXT PRIMARY KEY REFERENCES users (id)) STRICT;
INSERT INTO former_administrators (user_id) SELECT id FROM users WHERE role = 'admin';
ALTER TABLE users DROP COLUMN role;
