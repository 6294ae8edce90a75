SELECT body, seen, id FROM nebula_notification_inbox
WHERE subject = ? AND ends > ? AND id < ? AND seen IS NULL
ORDER BY id DESC LIMIT ?
