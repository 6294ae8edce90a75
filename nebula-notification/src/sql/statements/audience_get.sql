SELECT revision, body FROM nebula_notification_audience WHERE subject = ?
