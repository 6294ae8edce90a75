-- Changes of tables are no transaction here: each statement can be repeated.
-- One row: how far the store has come.
CREATE TABLE IF NOT EXISTS nebula_auth_rbac_head (
    id       BIGINT NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL,
    policy   BIGINT NOT NULL
) ENGINE = InnoDB;

INSERT IGNORE INTO nebula_auth_rbac_head (id, sequence, policy) VALUES (1, 0, 0);

-- Roles, departments, resources, constraints, names of permissions; the body is JSON that carries its version.
-- Ids are bytes: with letters' case, with accents, with trailing spaces.
CREATE TABLE IF NOT EXISTS nebula_auth_rbac_document (
    kind VARBINARY(16)  NOT NULL,
    id   VARBINARY(128) NOT NULL,
    body MEDIUMTEXT     NOT NULL,
    PRIMARY KEY (kind, id)
) ENGINE = InnoDB, DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- A user without a body was removed; the version stays, so that others hear of it.
CREATE TABLE IF NOT EXISTS nebula_auth_rbac_user (
    id      VARBINARY(128) NOT NULL PRIMARY KEY,
    version BIGINT         NOT NULL,
    body    MEDIUMTEXT,
    INDEX nebula_auth_rbac_user_version (version)
) ENGINE = InnoDB, DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Who has which role: an index over the bodies.
CREATE TABLE IF NOT EXISTS nebula_auth_rbac_holder (
    role    VARBINARY(64)  NOT NULL,
    user_id VARBINARY(128) NOT NULL,
    PRIMARY KEY (role, user_id),
    INDEX nebula_auth_rbac_holder_user (user_id)
) ENGINE = InnoDB;

-- The audit log: rows are added, and never changed or removed.
CREATE TABLE IF NOT EXISTS nebula_auth_audit (
    number BIGINT         NOT NULL PRIMARY KEY,
    at_ms  BIGINT         NOT NULL,
    who    VARBINARY(512) NOT NULL,
    hash   VARBINARY(64)  NOT NULL,
    body   MEDIUMTEXT     NOT NULL,
    INDEX nebula_auth_audit_who (who, number)
) ENGINE = InnoDB, DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO nebula_auth_rbac_schema (version) VALUES (1);
