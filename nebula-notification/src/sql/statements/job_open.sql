SELECT id, version, address, body FROM nebula_notification_job
WHERE address < 'index:' OR address >= 'index;'
ORDER BY address, id LIMIT ?
