DELETE FROM nebula_notification_job
WHERE id IN (
    SELECT id FROM (
        SELECT id FROM nebula_notification_job WHERE open = 0 AND created < ? ORDER BY created LIMIT 1000
    ) AS old
)
