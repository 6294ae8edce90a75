@insert INTO nebula_notification_code (name, digest, tries, ends, cool_until) VALUES (?, ?, 0, 0, 0) @once
