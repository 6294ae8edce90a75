CREATE TABLE IF NOT EXISTS nebula_notification_schema (
    version INTEGER NOT NULL PRIMARY KEY
) STRICT
