SELECT id, version, address, body FROM nebula_notification_job WHERE address < 'index:'
UNION ALL
SELECT id, version, address, body FROM nebula_notification_job WHERE address >= 'index;'
ORDER BY address, id LIMIT ?
