SELECT provider, template, state, COUNT(*)
FROM nebula_notification_attempt
WHERE created >= ? AND created < ?
GROUP BY provider, template, state
