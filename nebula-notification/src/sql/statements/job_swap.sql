UPDATE nebula_notification_job SET version = ?, status = ?, open = ?, due = ?, body = ? WHERE id = ? AND version = ?
