SELECT body, seen, id FROM nebula_notification_inbox
WHERE subject = ? AND ends > ? AND id < ?
ORDER BY id DESC LIMIT ?
