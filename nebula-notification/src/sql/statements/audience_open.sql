SELECT subject FROM nebula_notification_audience WHERE subject < 'index:'
UNION ALL
SELECT subject FROM nebula_notification_audience WHERE subject >= 'index;'
ORDER BY subject LIMIT ?
