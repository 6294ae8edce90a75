SELECT j.body, j.files, j.id
FROM nebula_notification_attempt a JOIN nebula_notification_job j ON j.id = a.job
WHERE a.provider = ? AND a.provider_id = ? AND j.address = ?
ORDER BY a.job LIMIT 1
