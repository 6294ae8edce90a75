SELECT notification, body FROM nebula_notification_file WHERE notification > ? AND body NOT LIKE 'sealed:%' ORDER BY notification LIMIT ?
