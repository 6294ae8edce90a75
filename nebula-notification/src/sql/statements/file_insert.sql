@insert INTO nebula_notification_file (notification, created, body) VALUES (?, ?, ?) @once
