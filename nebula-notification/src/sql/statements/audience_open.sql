SELECT subject FROM nebula_notification_audience WHERE subject < 'index:' OR subject >= 'index;' ORDER BY subject LIMIT ?
