-- Which migrations have been run.
CREATE TABLE IF NOT EXISTS nebula_rules_schema (
    version BIGINT PRIMARY KEY
) ENGINE = InnoDB, DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Kinds of coupons: the template as JSON, and of it what statements need.
CREATE TABLE IF NOT EXISTS nebula_rules_coupon_template (
    id       VARBINARY(128) NOT NULL PRIMARY KEY,
    document MEDIUMTEXT NOT NULL,
    total    BIGINT,
    claimed  BIGINT NOT NULL DEFAULT 0
) ENGINE = InnoDB, DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- One row for each coupon that somebody has or had. Names are bytes: with letters' case, with trailing spaces.
CREATE TABLE IF NOT EXISTS nebula_rules_coupon (
    seq        BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    id         VARBINARY(128) NOT NULL UNIQUE,
    template   VARBINARY(128) NOT NULL,
    holder     VARBINARY(128) NOT NULL,
    -- The order that it was redeemed for.
    order_ref  VARBINARY(128),
    -- The order that gave it back last.
    given_back VARBINARY(128),
    claimed_ms BIGINT NOT NULL,
    from_ms    BIGINT NOT NULL,
    until_ms   BIGINT NOT NULL,
    INDEX nebula_rules_coupon_holder (holder, template)
) ENGINE = InnoDB, DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Rule sets as they were stored; a version is never changed.
CREATE TABLE IF NOT EXISTS nebula_rules_document (
    name      VARBINARY(128) NOT NULL,
    version   BIGINT NOT NULL,
    format    TEXT NOT NULL,
    text      LONGTEXT NOT NULL,
    stored_ms BIGINT NOT NULL,
    PRIMARY KEY (name, version)
) ENGINE = InnoDB, DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Which version of a rule set is in force.
CREATE TABLE IF NOT EXISTS nebula_rules_active (
    name    VARBINARY(128) NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL
) ENGINE = InnoDB, DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO nebula_rules_schema (version) VALUES (1);
