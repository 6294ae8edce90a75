SELECT body FROM nebula_notification_file WHERE notification = ?
