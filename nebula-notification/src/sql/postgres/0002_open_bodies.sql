-- What was kept before there was a sealer, to be found without looking at everything. Without a sealer all of it is in here.
CREATE INDEX nebula_notification_inbox_open ON nebula_notification_inbox (id) WHERE body NOT LIKE 'sealed:%';

CREATE INDEX nebula_notification_file_open ON nebula_notification_file (notification) WHERE body NOT LIKE 'sealed:%';

INSERT INTO nebula_notification_schema (version) VALUES (2);
