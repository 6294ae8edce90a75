DELETE FROM nebula_notification_key
WHERE created < ? AND NOT EXISTS (
    SELECT 1 FROM nebula_notification_job j
    WHERE j.tenant = nebula_notification_key.tenant AND j.idem = nebula_notification_key.idem
)
