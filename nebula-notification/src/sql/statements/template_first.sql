@insert INTO nebula_notification_template (name, version, removed) VALUES (?, 1, 0) @once
