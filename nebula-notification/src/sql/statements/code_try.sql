UPDATE nebula_notification_code SET tries = tries - 1 WHERE name = ? AND tries > 0 AND ends > @now
