UPDATE nebula_notification_inbox SET seen = ? WHERE subject = ? AND id = ? AND seen IS NULL AND ends > ?
