UPDATE nebula_notification_job SET body = ?, address = ? WHERE id = ? AND version = ? AND address = ?
