UPDATE nebula_notification_template SET version = version + 1, removed = 0 WHERE name = ? AND removed = 1
