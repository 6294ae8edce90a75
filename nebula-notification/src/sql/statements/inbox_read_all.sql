UPDATE nebula_notification_inbox SET seen = ? WHERE subject = ? AND seen IS NULL AND ends > ?
