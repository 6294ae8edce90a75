-- Merchants are tenants of nebula-tenant, which keeps them in tables of its own. What was there before there were merchants
-- belongs to `nebula`, the platform's own. Children that are only reached through their parent need no column.

-- Names of venues are unique for each merchant.
ALTER TABLE venues ADD COLUMN tenant_id TEXT NOT NULL DEFAULT 'nebula';
ALTER TABLE venues ADD COLUMN latitude DOUBLE PRECISION;
ALTER TABLE venues ADD COLUMN longitude DOUBLE PRECISION;
ALTER TABLE venues ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE venues DROP CONSTRAINT venues_name_key;
ALTER TABLE venues ADD CONSTRAINT venues_of_tenant UNIQUE (tenant_id, name);

ALTER TABLE plans ADD COLUMN tenant_id TEXT NOT NULL DEFAULT 'nebula';
ALTER TABLE shows ADD COLUMN tenant_id TEXT NOT NULL DEFAULT 'nebula';
ALTER TABLE shows ADD COLUMN published BIGINT NOT NULL DEFAULT 1;   -- whether buyers can find it
ALTER TABLE shows ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE sessions ADD COLUMN tenant_id TEXT NOT NULL DEFAULT 'nebula';
ALTER TABLE sessions ADD COLUMN published BIGINT NOT NULL DEFAULT 1;
ALTER TABLE sessions ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE session_prices ADD COLUMN tenant_id TEXT NOT NULL DEFAULT 'nebula';
ALTER TABLE orders ADD COLUMN tenant_id TEXT NOT NULL DEFAULT 'nebula';
CREATE INDEX plans_by_tenant ON plans (tenant_id, venue_id);
CREATE INDEX shows_by_tenant ON shows (tenant_id, created_at);
CREATE INDEX sessions_by_tenant ON sessions (tenant_id, starts_at);
CREATE INDEX orders_by_tenant ON orders (tenant_id, created_at);

-- What rules know of a buyer, and whether they may come in at all.
ALTER TABLE users ADD COLUMN kind TEXT NOT NULL DEFAULT 'NORMAL' CHECK (kind IN ('NORMAL', 'VIP'));
ALTER TABLE users ADD COLUMN disabled BIGINT NOT NULL DEFAULT 0;

-- Of the code that opens an invitation only the hash is kept.
CREATE TABLE merchant_invitations (
    id          TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    email       TEXT NOT NULL,
    role        TEXT NOT NULL,
    code_hash   TEXT NOT NULL UNIQUE,
    invited_by  TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    accepted_at BIGINT
);
CREATE INDEX merchant_invitations_by_tenant ON merchant_invitations (tenant_id, created_at);
