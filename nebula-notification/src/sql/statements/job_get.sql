SELECT body, files FROM nebula_notification_job WHERE id = ?
