DELETE FROM nebula_notification_inbox WHERE created < ? OR ends <= ?
