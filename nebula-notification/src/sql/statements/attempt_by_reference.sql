SELECT j.body, j.files, j.id
FROM nebula_notification_attempt a JOIN nebula_notification_job j ON j.id = a.job
WHERE a.provider = ? AND a.reference = ?
ORDER BY a.job LIMIT 1
