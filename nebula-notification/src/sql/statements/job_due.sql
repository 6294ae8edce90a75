SELECT body, files, id FROM nebula_notification_job WHERE open = 1 AND due <= ? ORDER BY due, id LIMIT ?
