SELECT cool_until - @now FROM nebula_notification_code WHERE name = ?
