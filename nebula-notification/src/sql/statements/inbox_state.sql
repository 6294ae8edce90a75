SELECT COUNT(*), COUNT(*) - COUNT(seen), MAX(id) FROM nebula_notification_inbox WHERE subject = ? AND ends > ?
