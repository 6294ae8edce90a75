INSERT INTO nebula_notification_attempt (job, number, provider, reference, provider_id, template, state, created)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
