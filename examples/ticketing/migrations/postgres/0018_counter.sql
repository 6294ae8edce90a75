-- Sales at a counter. Who buys there has no account: all of them buy under one that nobody can sign in to.
INSERT INTO users (id, email_index, email_sealed, display_name, created_at)
VALUES ('00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000000', '', 'Counter', 0)
ON CONFLICT DO NOTHING;

-- Who sold an order, where, and for what commission. The buyer's name and address are sealed.
CREATE TABLE counter_sales (
    order_id      TEXT PRIMARY KEY REFERENCES orders (id),
    tenant_id     TEXT NOT NULL,
    clerk_id      TEXT NOT NULL REFERENCES users (id),
    channel       TEXT NOT NULL CHECK (channel IN ('BOX_OFFICE', 'AGENT')),
    commission_bp BIGINT NOT NULL CHECK (commission_bp BETWEEN 0 AND 10000),
    name_sealed   TEXT,
    email_sealed  TEXT,
    language      TEXT NOT NULL,
    at            BIGINT NOT NULL
);
CREATE TABLE archived_counter_sales (
    order_id      TEXT PRIMARY KEY REFERENCES archived_orders (id),
    tenant_id     TEXT NOT NULL,
    clerk_id      TEXT NOT NULL REFERENCES users (id),
    channel       TEXT NOT NULL,
    commission_bp BIGINT NOT NULL,
    name_sealed   TEXT,
    email_sealed  TEXT,
    language      TEXT NOT NULL,
    at            BIGINT NOT NULL
);
CREATE VIEW all_counter_sales AS
    SELECT order_id, tenant_id, clerk_id, channel, commission_bp, name_sealed, email_sealed, language, at
    FROM counter_sales
    UNION ALL
    SELECT order_id, tenant_id, clerk_id, channel, commission_bp, name_sealed, email_sealed, language, at
    FROM archived_counter_sales;

-- A clerk's till of a day, in one currency: what lay in it before the first sale, and what somebody else counted in the end.
CREATE TABLE tills (
    tenant_id TEXT NOT NULL,
    clerk_id  TEXT NOT NULL REFERENCES users (id),
    day       TEXT NOT NULL,               -- 2026-11-22, as bills count days
    currency  TEXT NOT NULL,
    opening   BIGINT NOT NULL DEFAULT 0 CHECK (opening >= 0),
    expected  BIGINT,                     -- what should have been there, when it was counted
    counted   BIGINT CHECK (counted >= 0),
    note      TEXT,
    closed_by TEXT REFERENCES users (id),
    closed_at BIGINT,                     -- NULL: open
    PRIMARY KEY (tenant_id, clerk_id, day, currency)
);
CREATE INDEX tills_by_day ON tills (tenant_id, day);

-- The journal of the tills: one row for each movement of money, never changed. A sale is named as its payment, a refund as itself.
CREATE TABLE till_entries (
    id            TEXT PRIMARY KEY,
    kind          TEXT NOT NULL CHECK (kind IN ('SALE', 'REFUND')),
    tenant_id     TEXT NOT NULL,
    clerk_id      TEXT NOT NULL,
    day           TEXT NOT NULL,
    method        TEXT NOT NULL CHECK (method IN ('cash', 'card')),
    order_id      TEXT NOT NULL,
    payment_id    TEXT NOT NULL,
    minor         BIGINT NOT NULL CHECK (minor >= 0),
    currency      TEXT NOT NULL,
    channel       TEXT NOT NULL,
    commission_bp BIGINT NOT NULL,
    reference     TEXT,                    -- of the card terminal
    at            BIGINT NOT NULL
);
CREATE INDEX till_entries_by_till ON till_entries (tenant_id, day, clerk_id);
CREATE INDEX till_entries_by_payment ON till_entries (payment_id);
CREATE INDEX till_entries_by_time ON till_entries (method, at);

-- What agents keep of what they sell for a merchant, from now on.
CREATE TABLE commissions (
    tenant_id    TEXT PRIMARY KEY,
    basis_points BIGINT NOT NULL CHECK (basis_points BETWEEN 0 AND 10000)
);
