DELETE FROM nebula_notification_code WHERE name = ? AND digest = ? AND tries > 0
