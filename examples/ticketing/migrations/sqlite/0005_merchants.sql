-- Merchants are tenants of nebula-tenant, which keeps them in tables of its own. What was there before there were merchants
-- belongs to `nebula`, the platform's own. Children that are only reached through their parent need no column.

-- Names of venues are unique for each merchant: the table is made anew, since SQLite cannot drop a constraint.
PRAGMA defer_foreign_keys = ON;
CREATE TABLE venues_before AS SELECT id, name, city, address, created_at FROM venues;
DROP TABLE venues;
CREATE TABLE venues (
    id         TEXT PRIMARY KEY,
    tenant_id  TEXT NOT NULL DEFAULT 'nebula',
    name       TEXT NOT NULL,
    city       TEXT NOT NULL DEFAULT '',
    address    TEXT NOT NULL DEFAULT '',
    latitude   REAL,
    longitude  REAL,
    version    INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL,
    UNIQUE (tenant_id, name)
) STRICT;
INSERT INTO venues (id, name, city, address, created_at) SELECT id, name, city, address, created_at FROM venues_before;
DROP TABLE venues_before;

ALTER TABLE plans ADD COLUMN tenant_id TEXT NOT NULL DEFAULT 'nebula';
ALTER TABLE shows ADD COLUMN tenant_id TEXT NOT NULL DEFAULT 'nebula';
ALTER TABLE shows ADD COLUMN published INTEGER NOT NULL DEFAULT 1;   -- whether buyers can find it
ALTER TABLE shows ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE sessions ADD COLUMN tenant_id TEXT NOT NULL DEFAULT 'nebula';
ALTER TABLE sessions ADD COLUMN published INTEGER NOT NULL DEFAULT 1;
ALTER TABLE sessions ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE session_prices ADD COLUMN tenant_id TEXT NOT NULL DEFAULT 'nebula';
ALTER TABLE orders ADD COLUMN tenant_id TEXT NOT NULL DEFAULT 'nebula';
CREATE INDEX plans_by_tenant ON plans (tenant_id, venue_id);
CREATE INDEX shows_by_tenant ON shows (tenant_id, created_at);
CREATE INDEX sessions_by_tenant ON sessions (tenant_id, starts_at);
CREATE INDEX orders_by_tenant ON orders (tenant_id, created_at);

-- What rules know of a buyer, and whether they may come in at all.
ALTER TABLE users ADD COLUMN kind TEXT NOT NULL DEFAULT 'NORMAL' CHECK (kind IN ('NORMAL', 'VIP'));
ALTER TABLE users ADD COLUMN disabled INTEGER NOT NULL DEFAULT 0;

-- Of the code that opens an invitation only the hash is kept.
CREATE TABLE merchant_invitations (
    id          TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    email       TEXT NOT NULL,
    role        TEXT NOT NULL,
    code_hash   TEXT NOT NULL UNIQUE,
    invited_by  TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    accepted_at INTEGER
) STRICT;
CREATE INDEX merchant_invitations_by_tenant ON merchant_invitations (tenant_id, created_at);
