-- Times are milliseconds since the Unix epoch. Bodies are JSON; what is asked for stands beside them in columns of its own.

-- What is current of each template.
CREATE TABLE nebula_notification_template (
    name         TEXT COLLATE "C" NOT NULL,
    version      BIGINT NOT NULL,
    removed      BIGINT NOT NULL,
    PRIMARY KEY (name)
);

-- Every version of every template.
CREATE TABLE nebula_notification_template_version (
    name         TEXT COLLATE "C" NOT NULL,
    version      BIGINT NOT NULL,
    stored       BIGINT NOT NULL,
    body         TEXT NOT NULL,
    PRIMARY KEY (name, version)
);

-- One recipient on one channel. `open` is 1 while a worker has something left to do.
CREATE TABLE nebula_notification_job (
    id           TEXT COLLATE "C" NOT NULL,
    version      BIGINT NOT NULL,
    tenant       TEXT COLLATE "C" NOT NULL,
    idem         TEXT COLLATE "C",
    notification TEXT COLLATE "C" NOT NULL,
    template     TEXT COLLATE "C" NOT NULL,
    address      TEXT COLLATE "C" NOT NULL,
    status       TEXT COLLATE "C" NOT NULL,
    open         BIGINT NOT NULL,
    due          BIGINT NOT NULL,
    created      BIGINT NOT NULL,
    files        BIGINT NOT NULL,
    body         TEXT NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX nebula_notification_job_due ON nebula_notification_job (open, due, id);

CREATE INDEX nebula_notification_job_address ON nebula_notification_job (address, id);

CREATE INDEX nebula_notification_job_notification ON nebula_notification_job (notification, id);

CREATE INDEX nebula_notification_job_status ON nebula_notification_job (status, id);

CREATE INDEX nebula_notification_job_key ON nebula_notification_job (tenant, idem, id);

CREATE INDEX nebula_notification_job_created ON nebula_notification_job (open, created);

-- Idempotency keys that were used.
CREATE TABLE nebula_notification_key (
    tenant       TEXT COLLATE "C" NOT NULL,
    idem         TEXT COLLATE "C" NOT NULL,
    created      BIGINT NOT NULL,
    PRIMARY KEY (tenant, idem)
);

CREATE INDEX nebula_notification_key_created ON nebula_notification_key (created);

-- One try at one provider, to be found by what receipts carry, and counted.
CREATE TABLE nebula_notification_attempt (
    job          TEXT COLLATE "C" NOT NULL,
    number       BIGINT NOT NULL,
    provider     TEXT COLLATE "C" NOT NULL,
    reference    TEXT COLLATE "C" NOT NULL,
    provider_id  TEXT COLLATE "C",
    template     TEXT COLLATE "C" NOT NULL,
    state        TEXT COLLATE "C" NOT NULL,
    created      BIGINT NOT NULL,
    PRIMARY KEY (job, number)
);

CREATE INDEX nebula_notification_attempt_id ON nebula_notification_attempt (provider, provider_id);

CREATE INDEX nebula_notification_attempt_reference ON nebula_notification_attempt (provider, reference);

CREATE INDEX nebula_notification_attempt_created ON nebula_notification_attempt (created, provider, template, state);

-- Attachments, once for all jobs of a notification.
CREATE TABLE nebula_notification_file (
    notification TEXT COLLATE "C" NOT NULL,
    created      BIGINT NOT NULL,
    body         TEXT NOT NULL,
    PRIMARY KEY (notification)
);

CREATE INDEX nebula_notification_file_created ON nebula_notification_file (created);

-- What recipients want.
CREATE TABLE nebula_notification_audience (
    subject      TEXT COLLATE "C" NOT NULL,
    revision     BIGINT NOT NULL,
    body         TEXT NOT NULL,
    PRIMARY KEY (subject)
);

-- Verification codes, as HMACs, until they are used.
CREATE TABLE nebula_notification_code (
    name         TEXT COLLATE "C" NOT NULL,
    digest       BYTEA NOT NULL,
    tries        BIGINT NOT NULL,
    ends         BIGINT NOT NULL,
    cool_until   BIGINT NOT NULL,
    PRIMARY KEY (name)
);

CREATE INDEX nebula_notification_code_ends ON nebula_notification_code (ends);

-- Messages in inboxes.
CREATE TABLE nebula_notification_inbox (
    id           TEXT COLLATE "C" NOT NULL,
    subject      TEXT COLLATE "C" NOT NULL,
    reference    TEXT COLLATE "C" NOT NULL,
    template     TEXT COLLATE "C" NOT NULL,
    created      BIGINT NOT NULL,
    seen         BIGINT,
    ends         BIGINT NOT NULL,
    body         TEXT NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX nebula_notification_inbox_subject ON nebula_notification_inbox (subject, id);

CREATE INDEX nebula_notification_inbox_unread ON nebula_notification_inbox (subject, seen);

CREATE INDEX nebula_notification_inbox_ends ON nebula_notification_inbox (ends);

CREATE INDEX nebula_notification_inbox_created ON nebula_notification_inbox (created);

CREATE UNIQUE INDEX nebula_notification_inbox_reference ON nebula_notification_inbox (subject, reference);

INSERT INTO nebula_notification_schema (version) VALUES (1);
