SELECT body, files, id FROM nebula_notification_job WHERE id = ?
