INSERT INTO nebula_notification_template_version (name, version, stored, body) VALUES (?, ?, ?, ?)
