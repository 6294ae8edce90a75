-- What is kept while somebody proves who they are: failed attempts, second factors, one-time codes, logins that are
-- under way elsewhere. Ids are hashes; what is secret in a body is hashed or encrypted.
CREATE TABLE nebula_auth_proof (
    kind       TEXT COLLATE "C" NOT NULL,
    id         TEXT COLLATE "C" NOT NULL,
    revision   BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    body       BYTEA  NOT NULL,
    PRIMARY KEY (kind, id)
);

CREATE INDEX nebula_auth_proof_by_end ON nebula_auth_proof (expires_at);

INSERT INTO nebula_auth_schema (version) VALUES (2);
