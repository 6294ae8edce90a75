UPDATE nebula_notification_file SET body = ? WHERE notification = ? AND body NOT LIKE 'sealed:%'
