-- Times are milliseconds since the Unix epoch. Bodies are JSON; what is asked for stands beside them in columns of its own.

-- What is current of each template.
CREATE TABLE nebula_notification_template (
    name         TEXT NOT NULL,
    version      INTEGER NOT NULL,
    removed      INTEGER NOT NULL,
    PRIMARY KEY (name)
) STRICT, WITHOUT ROWID;

-- Every version of every template.
CREATE TABLE nebula_notification_template_version (
    name         TEXT NOT NULL,
    version      INTEGER NOT NULL,
    stored       INTEGER NOT NULL,
    body         TEXT NOT NULL,
    PRIMARY KEY (name, version)
) STRICT, WITHOUT ROWID;

-- One recipient on one channel. `open` is 1 while a worker has something left to do.
CREATE TABLE nebula_notification_job (
    id           TEXT NOT NULL,
    version      INTEGER NOT NULL,
    tenant       TEXT NOT NULL,
    idem         TEXT,
    notification TEXT NOT NULL,
    template     TEXT NOT NULL,
    address      TEXT NOT NULL,
    status       TEXT NOT NULL,
    open         INTEGER NOT NULL,
    due          INTEGER NOT NULL,
    created      INTEGER NOT NULL,
    files        INTEGER NOT NULL,
    body         TEXT NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;

CREATE INDEX nebula_notification_job_due ON nebula_notification_job (open, due, id);

CREATE INDEX nebula_notification_job_address ON nebula_notification_job (address, id);

CREATE INDEX nebula_notification_job_notification ON nebula_notification_job (notification, id);

CREATE INDEX nebula_notification_job_status ON nebula_notification_job (status, id);

CREATE INDEX nebula_notification_job_key ON nebula_notification_job (tenant, idem, id);

CREATE INDEX nebula_notification_job_created ON nebula_notification_job (open, created);

-- Idempotency keys that were used.
CREATE TABLE nebula_notification_key (
    tenant       TEXT NOT NULL,
    idem         TEXT NOT NULL,
    created      INTEGER NOT NULL,
    PRIMARY KEY (tenant, idem)
) STRICT, WITHOUT ROWID;

CREATE INDEX nebula_notification_key_created ON nebula_notification_key (created);

-- One try at one provider, to be found by what receipts carry, and counted.
CREATE TABLE nebula_notification_attempt (
    job          TEXT NOT NULL,
    number       INTEGER NOT NULL,
    provider     TEXT NOT NULL,
    reference    TEXT NOT NULL,
    provider_id  TEXT,
    template     TEXT NOT NULL,
    state        TEXT NOT NULL,
    created      INTEGER NOT NULL,
    PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX nebula_notification_attempt_id ON nebula_notification_attempt (provider, provider_id);

CREATE INDEX nebula_notification_attempt_reference ON nebula_notification_attempt (provider, reference);

CREATE INDEX nebula_notification_attempt_created ON nebula_notification_attempt (created, provider, template, state);

-- Attachments, once for all jobs of a notification.
CREATE TABLE nebula_notification_file (
    notification TEXT NOT NULL,
    created      INTEGER NOT NULL,
    body         TEXT NOT NULL,
    PRIMARY KEY (notification)
) STRICT, WITHOUT ROWID;

CREATE INDEX nebula_notification_file_created ON nebula_notification_file (created);

-- What recipients want.
CREATE TABLE nebula_notification_audience (
    subject      TEXT NOT NULL,
    revision     INTEGER NOT NULL,
    body         TEXT NOT NULL,
    PRIMARY KEY (subject)
) STRICT, WITHOUT ROWID;

-- Verification codes, as HMACs, until they are used.
CREATE TABLE nebula_notification_code (
    name         TEXT NOT NULL,
    digest       BLOB NOT NULL,
    tries        INTEGER NOT NULL,
    ends         INTEGER NOT NULL,
    cool_until   INTEGER NOT NULL,
    PRIMARY KEY (name)
) STRICT, WITHOUT ROWID;

CREATE INDEX nebula_notification_code_ends ON nebula_notification_code (ends);

-- Messages in inboxes.
CREATE TABLE nebula_notification_inbox (
    id           TEXT NOT NULL,
    subject      TEXT NOT NULL,
    reference    TEXT NOT NULL,
    template     TEXT NOT NULL,
    created      INTEGER NOT NULL,
    seen         INTEGER,
    ends         INTEGER NOT NULL,
    body         TEXT NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;

CREATE INDEX nebula_notification_inbox_subject ON nebula_notification_inbox (subject, id);

CREATE INDEX nebula_notification_inbox_unread ON nebula_notification_inbox (subject, seen);

CREATE INDEX nebula_notification_inbox_ends ON nebula_notification_inbox (ends);

CREATE INDEX nebula_notification_inbox_created ON nebula_notification_inbox (created);

CREATE UNIQUE INDEX nebula_notification_inbox_reference ON nebula_notification_inbox (subject, reference);

INSERT INTO nebula_notification_schema (version) VALUES (1);
