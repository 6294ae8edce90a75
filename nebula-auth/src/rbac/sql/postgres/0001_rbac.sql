-- One row: how far the store has come.
CREATE TABLE nebula_auth_rbac_head (
    id       BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    sequence BIGINT NOT NULL,
    policy   BIGINT NOT NULL
);

INSERT INTO nebula_auth_rbac_head (id, sequence, policy) VALUES (1, 0, 0);

-- Roles, departments, resources, constraints, names of permissions; the body is JSON that carries its version.
CREATE TABLE nebula_auth_rbac_document (
    kind TEXT COLLATE "C" NOT NULL,
    id   TEXT COLLATE "C" NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, id)
);

-- A user without a body was removed; the version stays, so that others hear of it.
CREATE TABLE nebula_auth_rbac_user (
    id      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    body    TEXT
);

CREATE INDEX nebula_auth_rbac_user_version ON nebula_auth_rbac_user (version);

-- Who has which role: an index over the bodies.
CREATE TABLE nebula_auth_rbac_holder (
    role    TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (role, user_id)
);

CREATE INDEX nebula_auth_rbac_holder_user ON nebula_auth_rbac_holder (user_id);

-- The audit log: rows are added, and never changed or removed.
CREATE TABLE nebula_auth_audit (
    number BIGINT NOT NULL PRIMARY KEY,
    at_ms  BIGINT NOT NULL,
    who    TEXT COLLATE "C" NOT NULL,
    hash   TEXT NOT NULL,
    body   TEXT NOT NULL
);

CREATE INDEX nebula_auth_audit_who ON nebula_auth_audit (who, number);

INSERT INTO nebula_auth_rbac_schema (version) VALUES (1);
