SELECT id, body FROM nebula_notification_inbox WHERE id > ? AND body NOT LIKE 'sealed:%' ORDER BY id LIMIT ?
