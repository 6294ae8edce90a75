SELECT version, stored, body FROM nebula_notification_template_version WHERE name = ? AND version = ?
