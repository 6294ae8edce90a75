SELECT version FROM nebula_notification_template_version WHERE name = ? ORDER BY version DESC
