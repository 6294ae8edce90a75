SELECT v.version, v.stored, v.body
FROM nebula_notification_template t
JOIN nebula_notification_template_version v ON v.name = t.name AND v.version = t.version
WHERE t.removed = 0
ORDER BY t.name
