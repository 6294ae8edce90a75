-- One row is one session: the refresh token that is current, and the one that was exchanged last.
-- Times are milliseconds since the Unix epoch. Tokens are stored as SHA-256 only.
CREATE TABLE nebula_auth_session (
    id                TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    subject           TEXT COLLATE "C" NOT NULL,
    scopes            TEXT   NOT NULL,
    methods           TEXT   NOT NULL,
    label             TEXT,
    device            BYTEA,
    authenticated_at  BIGINT NOT NULL,
    created_at        BIGINT NOT NULL,
    refreshed_at      BIGINT NOT NULL,
    expires_at        BIGINT NOT NULL,
    revoked_at        BIGINT,
    revoke_reason     TEXT,
    current_hash      BYTEA  NOT NULL CHECK (length(current_hash) = 32),
    previous_hash     BYTEA,
    previous_at       BIGINT,
    previous_device   BYTEA,
    sealed_successor  BYTEA,
    CHECK ((revoked_at IS NULL) = (revoke_reason IS NULL))
);

CREATE INDEX nebula_auth_session_by_subject ON nebula_auth_session (subject, created_at);

CREATE INDEX nebula_auth_session_by_end ON nebula_auth_session (expires_at);

INSERT INTO nebula_auth_schema (version) VALUES (1);
