-- Instants are INTEGER milliseconds since the Unix epoch (UTC); money is INTEGER minor units; identifiers are UUID text.

CREATE TABLE users (
    id            TEXT PRIMARY KEY,
    email         TEXT NOT NULL COLLATE NOCASE UNIQUE,
    display_name  TEXT NOT NULL,
    password_hash TEXT,                 -- NULL: cannot sign in with a password (rehearsal buyers)
    role          TEXT NOT NULL CHECK (role IN ('buyer', 'admin')),
    created_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE venues (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    city       TEXT NOT NULL DEFAULT '',
    address    TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE plans (
    id         TEXT PRIMARY KEY,
    venue_id   TEXT NOT NULL REFERENCES venues (id),
    name       TEXT NOT NULL,
    width      REAL NOT NULL,
    height     REAL NOT NULL,
    areas      TEXT NOT NULL,           -- JSON: decoration drawn behind the seats
    digest     TEXT NOT NULL,           -- SHA-256 of the source document: the entity tag of the layout
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE plan_categories (
    plan_id TEXT NOT NULL REFERENCES plans (id) ON DELETE CASCADE,
    name    TEXT NOT NULL,
    color   TEXT NOT NULL,
    PRIMARY KEY (plan_id, name)
) STRICT, WITHOUT ROWID;

-- `position` numbers the seats of a plan from 0 without gaps; the ledger and the live stream speak of positions.
CREATE TABLE plan_seats (
    plan_id  TEXT NOT NULL REFERENCES plans (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    guid     TEXT NOT NULL,
    zone     TEXT NOT NULL,
    row      TEXT NOT NULL,
    number   TEXT NOT NULL,
    category TEXT NOT NULL,
    x        REAL NOT NULL,
    y        REAL NOT NULL,
    radius   REAL,
    PRIMARY KEY (plan_id, position),
    UNIQUE (plan_id, guid)
) STRICT, WITHOUT ROWID;

CREATE TABLE shows (
    id             TEXT PRIMARY KEY,
    title          TEXT NOT NULL,
    title_zh       TEXT NOT NULL,
    description    TEXT NOT NULL DEFAULT '',
    description_zh TEXT NOT NULL DEFAULT '',
    hidden         INTEGER NOT NULL DEFAULT 0,   -- rehearsals are not listed
    created_at     INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    id             TEXT PRIMARY KEY,
    show_id        TEXT NOT NULL REFERENCES shows (id),
    plan_id        TEXT NOT NULL REFERENCES plans (id),
    starts_at      INTEGER NOT NULL,
    sale_opens_at  INTEGER NOT NULL,
    sale_closes_at INTEGER NOT NULL,
    hold_ms        INTEGER NOT NULL,    -- how long an unpaid order keeps its seats
    seats_per_user INTEGER NOT NULL,
    -- Fence token of the ledger generation that may add orders. A hold taken under an older one is void.
    ledger_epoch   INTEGER NOT NULL DEFAULT 0,
    created_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_by_show ON sessions (show_id, starts_at);

CREATE TABLE session_prices (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    category   TEXT NOT NULL,
    minor      INTEGER NOT NULL CHECK (minor >= 0),
    currency   TEXT NOT NULL,
    PRIMARY KEY (session_id, category)
) STRICT, WITHOUT ROWID;

CREATE TABLE orders (
    id           TEXT PRIMARY KEY,
    user_id      TEXT NOT NULL REFERENCES users (id),
    session_id   TEXT NOT NULL REFERENCES sessions (id),
    state        TEXT NOT NULL,
    minor        INTEGER NOT NULL,
    currency     TEXT NOT NULL,
    fingerprint  TEXT NOT NULL,         -- what the buyer asked for: tells a retry from a reused idempotency key
    ledger_epoch INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    version      INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;
CREATE INDEX orders_by_user ON orders (user_id, created_at DESC);
-- The sweep and the rebuild look only at orders that still bind seats.
CREATE INDEX orders_live ON orders (session_id, expires_at) WHERE state IN ('LOCKED', 'PAYING');

CREATE TABLE order_seats (
    order_id TEXT NOT NULL REFERENCES orders (id),
    position INTEGER NOT NULL,
    guid     TEXT NOT NULL,
    category TEXT NOT NULL,
    minor    INTEGER NOT NULL,
    PRIMARY KEY (order_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE order_history (
    order_id   TEXT NOT NULL REFERENCES orders (id),
    version    INTEGER NOT NULL,
    from_state TEXT,
    to_state   TEXT NOT NULL,
    reason     TEXT NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (order_id, version)
) STRICT, WITHOUT ROWID;

-- The truth about SOLD: written in the payment's transaction, and no seat twice.
CREATE TABLE sold_seats (
    session_id TEXT NOT NULL,
    position   INTEGER NOT NULL,
    order_id   TEXT NOT NULL REFERENCES orders (id),
    at         INTEGER NOT NULL,
    PRIMARY KEY (session_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX sold_seats_by_order ON sold_seats (order_id);

CREATE TABLE payments (
    id           TEXT PRIMARY KEY,
    order_id     TEXT NOT NULL REFERENCES orders (id),
    provider     TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('PENDING', 'SUCCEEDED', 'FAILED', 'CLOSED')),
    minor        INTEGER NOT NULL,
    currency     TEXT NOT NULL,
    provider_txn TEXT,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX payments_by_order ON payments (order_id);

-- Notifications already acted on: a replayed one is refused.
CREATE TABLE payment_notifications (
    id TEXT PRIMARY KEY,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One refund per charge at most.
CREATE TABLE refunds (
    id           TEXT PRIMARY KEY,
    payment_id   TEXT NOT NULL REFERENCES payments (id),
    order_id     TEXT NOT NULL REFERENCES orders (id),
    provider_txn TEXT NOT NULL UNIQUE,
    minor        INTEGER NOT NULL,
    currency     TEXT NOT NULL,
    reason       TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('PENDING', 'DONE')),
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The mock payment provider's own books; nothing but the provider reads or writes them.
CREATE TABLE mock_charges (
    payment_id TEXT PRIMARY KEY,
    minor      INTEGER NOT NULL,
    currency   TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('OPEN', 'PAID', 'DECLINED', 'CLOSED', 'REFUNDED')),
    txn        TEXT UNIQUE,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
