DELETE FROM nebula_notification_file
WHERE created < ? AND NOT EXISTS (
    SELECT 1 FROM nebula_notification_job j WHERE j.notification = nebula_notification_file.notification
)
