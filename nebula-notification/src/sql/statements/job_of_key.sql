SELECT body, files FROM nebula_notification_job WHERE tenant = ? AND idem = ? ORDER BY id
