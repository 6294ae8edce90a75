UPDATE nebula_notification_inbox SET body = ? WHERE id = ? AND body NOT LIKE 'sealed:%'
