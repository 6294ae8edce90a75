SELECT version, removed FROM nebula_notification_template WHERE name = ?
