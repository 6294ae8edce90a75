-- Changes of tables are no transaction here: each statement can be repeated.
-- One row is one session: the refresh token that is current, and the one that was exchanged last.
-- Times are milliseconds since the Unix epoch. Tokens are stored as SHA-256 only. Ids are bytes: with letters' case,
-- with accents, with trailing spaces.
CREATE TABLE IF NOT EXISTS nebula_auth_session (
    id                VARBINARY(256) NOT NULL PRIMARY KEY,
    subject           VARBINARY(256) NOT NULL,
    scopes            TEXT           NOT NULL,
    methods           TEXT           NOT NULL,
    label             TEXT,
    device            VARBINARY(32),
    authenticated_at  BIGINT         NOT NULL,
    created_at        BIGINT         NOT NULL,
    refreshed_at      BIGINT         NOT NULL,
    expires_at        BIGINT         NOT NULL,
    revoked_at        BIGINT,
    revoke_reason     VARCHAR(64),
    current_hash      BINARY(32)     NOT NULL,
    previous_hash     BINARY(32),
    previous_at       BIGINT,
    previous_device   VARBINARY(32),
    sealed_successor  BLOB,
    INDEX nebula_auth_session_by_subject (subject, created_at),
    INDEX nebula_auth_session_by_end (expires_at)
) ENGINE = InnoDB, DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO nebula_auth_schema (version) VALUES (1);
