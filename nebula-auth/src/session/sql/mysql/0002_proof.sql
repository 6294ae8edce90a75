-- What is kept while somebody proves who they are: failed attempts, second factors, one-time codes, logins that are
-- under way elsewhere. Ids are hashes; what is secret in a body is hashed or encrypted.
CREATE TABLE IF NOT EXISTS nebula_auth_proof (
    kind       VARBINARY(32) NOT NULL,
    id         VARBINARY(64) NOT NULL,
    revision   BIGINT        NOT NULL,
    expires_at BIGINT        NOT NULL,
    body       MEDIUMBLOB    NOT NULL,
    PRIMARY KEY (kind, id),
    INDEX nebula_auth_proof_by_end (expires_at)
) ENGINE = InnoDB;

INSERT IGNORE INTO nebula_auth_schema (version) VALUES (2);
