@insert INTO nebula_notification_key (tenant, idem, created) VALUES (?, ?, ?) @once
