-- Which migrations have been run.
CREATE TABLE IF NOT EXISTS nebula_rules_schema (
    version INTEGER PRIMARY KEY
) STRICT;

-- Kinds of coupons: the template as JSON, and of it what statements need.
CREATE TABLE IF NOT EXISTS nebula_rules_coupon_template (
    id       TEXT NOT NULL PRIMARY KEY,
    document TEXT NOT NULL,
    total    INTEGER,
    claimed  INTEGER NOT NULL DEFAULT 0
) STRICT;

-- One row for each coupon that somebody has or had.
CREATE TABLE IF NOT EXISTS nebula_rules_coupon (
    seq        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    template   TEXT NOT NULL,
    holder     TEXT NOT NULL,
    -- The order that it was redeemed for.
    order_ref  TEXT,
    -- The order that gave it back last.
    given_back TEXT,
    claimed_ms INTEGER NOT NULL,
    from_ms    INTEGER NOT NULL,
    until_ms   INTEGER NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS nebula_rules_coupon_holder ON nebula_rules_coupon (holder, template);

-- Rule sets as they were stored; a version is never changed.
CREATE TABLE IF NOT EXISTS nebula_rules_document (
    name      TEXT NOT NULL,
    version   INTEGER NOT NULL,
    format    TEXT NOT NULL,
    text      TEXT NOT NULL,
    stored_ms INTEGER NOT NULL,
    PRIMARY KEY (name, version)
) STRICT;

-- Which version of a rule set is in force.
CREATE TABLE IF NOT EXISTS nebula_rules_active (
    name    TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL
) STRICT;

INSERT OR IGNORE INTO nebula_rules_schema (version) VALUES (1);
