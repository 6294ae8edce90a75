@insert INTO nebula_notification_inbox (id, subject, reference, template, created, seen, ends, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?) @once
