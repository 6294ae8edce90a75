-- Which migrations have been run.
CREATE TABLE IF NOT EXISTS nebula_rules_schema (
    version BIGINT PRIMARY KEY
);

-- Kinds of coupons: the template as JSON, and of it what statements need.
CREATE TABLE IF NOT EXISTS nebula_rules_coupon_template (
    id       TEXT NOT NULL PRIMARY KEY,
    document TEXT NOT NULL,
    total    BIGINT,
    claimed  BIGINT NOT NULL DEFAULT 0
);

-- One row for each coupon that somebody has or had.
CREATE TABLE IF NOT EXISTS nebula_rules_coupon (
    seq        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    template   TEXT NOT NULL,
    holder     TEXT NOT NULL,
    -- The order that it was redeemed for.
    order_ref  TEXT,
    -- The order that gave it back last.
    given_back TEXT,
    claimed_ms BIGINT NOT NULL,
    from_ms    BIGINT NOT NULL,
    until_ms   BIGINT NOT NULL
);

CREATE INDEX IF NOT EXISTS nebula_rules_coupon_holder ON nebula_rules_coupon (holder, template);

-- Rule sets as they were stored; a version is never changed.
CREATE TABLE IF NOT EXISTS nebula_rules_document (
    name      TEXT NOT NULL,
    version   BIGINT NOT NULL,
    format    TEXT NOT NULL,
    text      TEXT NOT NULL,
    stored_ms BIGINT NOT NULL,
    PRIMARY KEY (name, version)
);

-- Which version of a rule set is in force.
CREATE TABLE IF NOT EXISTS nebula_rules_active (
    name    TEXT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL
);

INSERT INTO nebula_rules_schema (version) VALUES (1) ON CONFLICT DO NOTHING;
