SELECT digest FROM nebula_notification_code WHERE name = ?
