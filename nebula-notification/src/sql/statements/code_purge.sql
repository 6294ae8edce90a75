DELETE FROM nebula_notification_code WHERE ends < @now AND cool_until < @now
