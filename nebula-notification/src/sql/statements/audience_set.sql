UPDATE nebula_notification_audience SET revision = revision + 1, body = ? WHERE subject = ?
