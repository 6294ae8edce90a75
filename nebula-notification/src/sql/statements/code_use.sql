UPDATE nebula_notification_code SET tries = 0 WHERE name = ?
