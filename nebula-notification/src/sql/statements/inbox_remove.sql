DELETE FROM nebula_notification_inbox WHERE subject = ? AND id = ?
