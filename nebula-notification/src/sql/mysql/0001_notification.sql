-- Changes of tables are no transaction here: each statement can be repeated. Texts are bytes: with letters' case, with accents,
-- with trailing spaces.
-- Times are milliseconds since the Unix epoch. Bodies are JSON; what is asked for stands beside them in columns of its own.

-- What is current of each template.
CREATE TABLE IF NOT EXISTS nebula_notification_template (
    name         VARBINARY(64) NOT NULL,
    version      BIGINT NOT NULL,
    removed      BIGINT NOT NULL,
    PRIMARY KEY (name)
) ENGINE = InnoDB;

-- Every version of every template.
CREATE TABLE IF NOT EXISTS nebula_notification_template_version (
    name         VARBINARY(64) NOT NULL,
    version      BIGINT NOT NULL,
    stored       BIGINT NOT NULL,
    body         LONGBLOB NOT NULL,
    PRIMARY KEY (name, version)
) ENGINE = InnoDB;

-- One recipient on one channel. `open` is 1 while a worker has something left to do.
CREATE TABLE IF NOT EXISTS nebula_notification_job (
    id           VARBINARY(64) NOT NULL,
    version      BIGINT NOT NULL,
    tenant       VARBINARY(64) NOT NULL,
    idem         VARBINARY(256),
    notification VARBINARY(64) NOT NULL,
    template     VARBINARY(64) NOT NULL,
    address      VARBINARY(512) NOT NULL,
    status       VARBINARY(16) NOT NULL,
    open         BIGINT NOT NULL,
    due          BIGINT NOT NULL,
    created      BIGINT NOT NULL,
    files        BIGINT NOT NULL,
    body         LONGBLOB NOT NULL,
    PRIMARY KEY (id),
    INDEX nebula_notification_job_due (open, due, id),
    INDEX nebula_notification_job_address (address, id),
    INDEX nebula_notification_job_notification (notification, id),
    INDEX nebula_notification_job_status (status, id),
    INDEX nebula_notification_job_key (tenant, idem, id),
    INDEX nebula_notification_job_created (open, created)
) ENGINE = InnoDB;

-- Idempotency keys that were used.
CREATE TABLE IF NOT EXISTS nebula_notification_key (
    tenant       VARBINARY(64) NOT NULL,
    idem         VARBINARY(256) NOT NULL,
    created      BIGINT NOT NULL,
    PRIMARY KEY (tenant, idem),
    INDEX nebula_notification_key_created (created)
) ENGINE = InnoDB;

-- One try at one provider, to be found by what receipts carry, and counted.
CREATE TABLE IF NOT EXISTS nebula_notification_attempt (
    job          VARBINARY(64) NOT NULL,
    number       BIGINT NOT NULL,
    provider     VARBINARY(64) NOT NULL,
    reference    VARBINARY(96) NOT NULL,
    provider_id  VARBINARY(256),
    template     VARBINARY(64) NOT NULL,
    state        VARBINARY(16) NOT NULL,
    created      BIGINT NOT NULL,
    PRIMARY KEY (job, number),
    INDEX nebula_notification_attempt_id (provider, provider_id),
    INDEX nebula_notification_attempt_reference (provider, reference),
    INDEX nebula_notification_attempt_created (created, provider, template, state)
) ENGINE = InnoDB;

-- Attachments, once for all jobs of a notification.
CREATE TABLE IF NOT EXISTS nebula_notification_file (
    notification VARBINARY(64) NOT NULL,
    created      BIGINT NOT NULL,
    body         LONGBLOB NOT NULL,
    PRIMARY KEY (notification),
    INDEX nebula_notification_file_created (created)
) ENGINE = InnoDB;

-- What recipients want.
CREATE TABLE IF NOT EXISTS nebula_notification_audience (
    subject      VARBINARY(512) NOT NULL,
    revision     BIGINT NOT NULL,
    body         LONGBLOB NOT NULL,
    PRIMARY KEY (subject)
) ENGINE = InnoDB;

-- Verification codes, as HMACs, until they are used.
CREATE TABLE IF NOT EXISTS nebula_notification_code (
    name         VARBINARY(128) NOT NULL,
    digest       VARBINARY(32) NOT NULL,
    tries        BIGINT NOT NULL,
    ends         BIGINT NOT NULL,
    cool_until   BIGINT NOT NULL,
    PRIMARY KEY (name),
    INDEX nebula_notification_code_ends (ends)
) ENGINE = InnoDB;

-- Messages in inboxes.
CREATE TABLE IF NOT EXISTS nebula_notification_inbox (
    id           VARBINARY(64) NOT NULL,
    subject      VARBINARY(256) NOT NULL,
    reference    VARBINARY(96) NOT NULL,
    template     VARBINARY(64) NOT NULL,
    created      BIGINT NOT NULL,
    seen         BIGINT,
    ends         BIGINT NOT NULL,
    body         LONGBLOB NOT NULL,
    PRIMARY KEY (id),
    INDEX nebula_notification_inbox_subject (subject, id),
    INDEX nebula_notification_inbox_unread (subject, seen),
    UNIQUE INDEX nebula_notification_inbox_reference (subject, reference),
    INDEX nebula_notification_inbox_ends (ends),
    INDEX nebula_notification_inbox_created (created)
) ENGINE = InnoDB;

INSERT IGNORE INTO nebula_notification_schema (version) VALUES (1);
