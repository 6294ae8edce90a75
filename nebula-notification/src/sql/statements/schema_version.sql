SELECT COALESCE(MAX(version), 0) FROM nebula_notification_schema
