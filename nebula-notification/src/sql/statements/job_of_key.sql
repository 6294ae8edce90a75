SELECT body, files, id FROM nebula_notification_job WHERE tenant = ? AND idem = ? ORDER BY id
