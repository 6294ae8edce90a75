CREATE TABLE IF NOT EXISTS nebula_notification_schema (
    version BIGINT NOT NULL PRIMARY KEY
) ENGINE = InnoDB
