@insert INTO nebula_notification_audience (subject, revision, body) VALUES (?, 1, ?) @once
