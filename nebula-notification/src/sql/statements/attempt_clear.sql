DELETE FROM nebula_notification_attempt WHERE job = ?
