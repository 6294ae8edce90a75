INSERT INTO nebula_notification_job
    (id, version, tenant, idem, notification, template, address, status, open, due, created, files, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
