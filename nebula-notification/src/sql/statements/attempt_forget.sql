DELETE FROM nebula_notification_attempt
WHERE created < ? AND job NOT IN (SELECT id FROM nebula_notification_job WHERE created < ?)
