UPDATE nebula_notification_audience SET subject = ? WHERE subject = ?
