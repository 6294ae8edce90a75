UPDATE nebula_notification_template SET removed = 1 WHERE name = ? AND removed = 0
