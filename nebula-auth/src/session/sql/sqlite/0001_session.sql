-- One row is one session: the refresh token that is current, and the one that was exchanged last.
-- Times are milliseconds since the Unix epoch. Tokens are stored as SHA-256 only.
CREATE TABLE nebula_auth_session (
    id                TEXT    NOT NULL PRIMARY KEY,
    subject           TEXT    NOT NULL,
    scopes            TEXT    NOT NULL,
    methods           TEXT    NOT NULL,
    label             TEXT,
    device            BLOB,
    authenticated_at  INTEGER NOT NULL,
    created_at        INTEGER NOT NULL,
    refreshed_at      INTEGER NOT NULL,
    expires_at        INTEGER NOT NULL,
    revoked_at        INTEGER,
    revoke_reason     TEXT,
    current_hash      BLOB    NOT NULL,
    previous_hash     BLOB,
    previous_at       INTEGER,
    previous_device   BLOB,
    sealed_successor  BLOB,
    CHECK ((revoked_at IS NULL) = (revoke_reason IS NULL)),
    CHECK (length(current_hash) = 32)
) STRICT, WITHOUT ROWID;

CREATE INDEX nebula_auth_session_by_subject ON nebula_auth_session (subject, created_at);

CREATE INDEX nebula_auth_session_by_end ON nebula_auth_session (expires_at);

INSERT INTO nebula_auth_schema (version) VALUES (1);
