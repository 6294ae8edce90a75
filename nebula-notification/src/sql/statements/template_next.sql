UPDATE nebula_notification_template SET version = version + 1 WHERE name = ? AND version = ? AND removed = 0
