-- Instants are BIGINT milliseconds since the Unix epoch (UTC); money is BIGINT minor units; identifiers are UUID text.

CREATE TABLE users (
    id            TEXT PRIMARY KEY,
    email         TEXT NOT NULL UNIQUE,  -- in lower case
    display_name  TEXT NOT NULL,
    password_hash TEXT,                 -- NULL: cannot sign in with a password (rehearsal buyers)
    role          TEXT NOT NULL CHECK (role IN ('buyer', 'admin')),
    created_at    BIGINT NOT NULL
);

CREATE TABLE venues (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    city       TEXT NOT NULL DEFAULT '',
    address    TEXT NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL
);

CREATE TABLE plans (
    id         TEXT PRIMARY KEY,
    venue_id   TEXT NOT NULL REFERENCES venues (id),
    name       TEXT NOT NULL,
    width      DOUBLE PRECISION NOT NULL,
    height     DOUBLE PRECISION NOT NULL,
    areas      TEXT NOT NULL,           -- JSON: decoration drawn behind the seats
    digest     TEXT NOT NULL,           -- SHA-256 of the source document: the entity tag of the layout
    created_at BIGINT NOT NULL
);

CREATE TABLE plan_categories (
    plan_id TEXT NOT NULL REFERENCES plans (id) ON DELETE CASCADE,
    name    TEXT NOT NULL,
    color   TEXT NOT NULL,
    PRIMARY KEY (plan_id, name)
);

-- `position` numbers the seats of a plan from 0 without gaps; the ledger and the live stream speak of positions.
CREATE TABLE plan_seats (
    plan_id  TEXT NOT NULL REFERENCES plans (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    guid     TEXT NOT NULL,
    zone     TEXT NOT NULL,
    row      TEXT NOT NULL,
    number   TEXT NOT NULL,
    category TEXT NOT NULL,
    x        DOUBLE PRECISION NOT NULL,
    y        DOUBLE PRECISION NOT NULL,
    radius   DOUBLE PRECISION,
    PRIMARY KEY (plan_id, position),
    UNIQUE (plan_id, guid)
);

CREATE TABLE shows (
    id             TEXT PRIMARY KEY,
    title          TEXT NOT NULL,
    title_zh       TEXT NOT NULL,
    description    TEXT NOT NULL DEFAULT '',
    description_zh TEXT NOT NULL DEFAULT '',
    hidden         BIGINT NOT NULL DEFAULT 0,   -- rehearsals are not listed
    created_at     BIGINT NOT NULL
);

CREATE TABLE sessions (
    id             TEXT PRIMARY KEY,
    show_id        TEXT NOT NULL REFERENCES shows (id),
    plan_id        TEXT NOT NULL REFERENCES plans (id),
    starts_at      BIGINT NOT NULL,
    sale_opens_at  BIGINT NOT NULL,
    sale_closes_at BIGINT NOT NULL,
    hold_ms        BIGINT NOT NULL,    -- how long an unpaid order keeps its seats
    seats_per_user BIGINT NOT NULL,
    -- Fence token of the ledger generation that may add orders. A hold taken under an older one is void.
    ledger_epoch   BIGINT NOT NULL DEFAULT 0,
    created_at     BIGINT NOT NULL
);
CREATE INDEX sessions_by_show ON sessions (show_id, starts_at);

CREATE TABLE session_prices (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    category   TEXT NOT NULL,
    minor      BIGINT NOT NULL CHECK (minor >= 0),
    currency   TEXT NOT NULL,
    PRIMARY KEY (session_id, category)
);

CREATE TABLE orders (
    id           TEXT PRIMARY KEY,
    user_id      TEXT NOT NULL REFERENCES users (id),
    session_id   TEXT NOT NULL REFERENCES sessions (id),
    state        TEXT NOT NULL,
    minor        BIGINT NOT NULL,
    currency     TEXT NOT NULL,
    fingerprint  TEXT NOT NULL,         -- what the buyer asked for: tells a retry from a reused idempotency key
    ledger_epoch BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    version      BIGINT NOT NULL DEFAULT 1
);
CREATE INDEX orders_by_user ON orders (user_id, created_at DESC);
-- The sweep and the rebuild look only at orders that still bind seats.
CREATE INDEX orders_live ON orders (session_id, expires_at) WHERE state IN ('LOCKED', 'PAYING');

CREATE TABLE order_seats (
    order_id TEXT NOT NULL REFERENCES orders (id),
    position BIGINT NOT NULL,
    guid     TEXT NOT NULL,
    category TEXT NOT NULL,
    minor    BIGINT NOT NULL,
    PRIMARY KEY (order_id, position)
);

CREATE TABLE order_history (
    order_id   TEXT NOT NULL REFERENCES orders (id),
    version    BIGINT NOT NULL,
    from_state TEXT,
    to_state   TEXT NOT NULL,
    reason     TEXT NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (order_id, version)
);

-- The truth about SOLD: written in the payment's transaction, and no seat twice.
CREATE TABLE sold_seats (
    session_id TEXT NOT NULL,
    position   BIGINT NOT NULL,
    order_id   TEXT NOT NULL REFERENCES orders (id),
    at         BIGINT NOT NULL,
    PRIMARY KEY (session_id, position)
);
CREATE INDEX sold_seats_by_order ON sold_seats (order_id);

CREATE TABLE payments (
    id           TEXT PRIMARY KEY,
    order_id     TEXT NOT NULL REFERENCES orders (id),
    provider     TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('PENDING', 'SUCCEEDED', 'FAILED', 'CLOSED')),
    minor        BIGINT NOT NULL,
    currency     TEXT NOT NULL,
    provider_txn TEXT,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
);
CREATE INDEX payments_by_order ON payments (order_id);

-- Notifications already acted on: a replayed one is refused.
CREATE TABLE payment_notifications (
    id TEXT PRIMARY KEY,
    at BIGINT NOT NULL
);

-- One refund per charge at most.
CREATE TABLE refunds (
    id           TEXT PRIMARY KEY,
    payment_id   TEXT NOT NULL REFERENCES payments (id),
    order_id     TEXT NOT NULL REFERENCES orders (id),
    provider_txn TEXT NOT NULL UNIQUE,
    minor        BIGINT NOT NULL,
    currency     TEXT NOT NULL,
    reason       TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('PENDING', 'DONE')),
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
);

-- The mock payment provider's own books; nothing but the provider reads or writes them.
CREATE TABLE mock_charges (
    payment_id TEXT PRIMARY KEY,
    minor      BIGINT NOT NULL,
    currency   TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('OPEN', 'PAID', 'DECLINED', 'CLOSED', 'REFUNDED')),
    txn        TEXT UNIQUE,
    updated_at BIGINT NOT NULL
);
