DELETE FROM nebula_notification_audience WHERE subject = ?
