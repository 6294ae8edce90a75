-- What is over and cannot change any more, out of the way of what is sold today. Each table has the columns of its own, in any
-- order; whoever adds a column there adds it here and makes the view anew. A row is in one of the two and never in both.
CREATE TABLE archived_orders (
    id           TEXT PRIMARY KEY,
    user_id      TEXT NOT NULL REFERENCES users (id),
    session_id   TEXT NOT NULL REFERENCES sessions (id),
    state        TEXT NOT NULL,
    minor        BIGINT NOT NULL,
    currency     TEXT NOT NULL,
    fingerprint  TEXT NOT NULL,
    ledger_epoch BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    version      BIGINT NOT NULL,
    tenant_id    TEXT NOT NULL,
    archived_at  BIGINT NOT NULL
);
CREATE INDEX archived_orders_by_user ON archived_orders (user_id, created_at DESC);
CREATE INDEX archived_orders_by_tenant ON archived_orders (tenant_id, created_at);
CREATE INDEX archived_orders_by_session ON archived_orders (session_id);

CREATE TABLE archived_order_seats (
    order_id TEXT NOT NULL REFERENCES archived_orders (id),
    position BIGINT NOT NULL,
    guid     TEXT NOT NULL,
    category TEXT NOT NULL,
    minor    BIGINT NOT NULL,
    PRIMARY KEY (order_id, position)
);

CREATE TABLE archived_order_history (
    order_id   TEXT NOT NULL REFERENCES archived_orders (id),
    version    BIGINT NOT NULL,
    from_state TEXT,
    to_state   TEXT NOT NULL,
    reason     TEXT NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (order_id, version)
);

CREATE TABLE archived_sold_seats (
    session_id TEXT NOT NULL,
    position   BIGINT NOT NULL,
    order_id   TEXT NOT NULL REFERENCES archived_orders (id),
    at         BIGINT NOT NULL,
    PRIMARY KEY (session_id, position)
);
CREATE INDEX archived_sold_seats_by_order ON archived_sold_seats (order_id);

CREATE TABLE archived_payments (
    id           TEXT PRIMARY KEY,
    order_id     TEXT NOT NULL REFERENCES archived_orders (id),
    provider     TEXT NOT NULL,
    state        TEXT NOT NULL,
    minor        BIGINT NOT NULL,
    currency     TEXT NOT NULL,
    provider_txn TEXT,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
);
CREATE INDEX archived_payments_by_order ON archived_payments (order_id);

CREATE TABLE archived_charges (
    provider   TEXT NOT NULL,
    txn        TEXT NOT NULL,
    payment_id TEXT NOT NULL REFERENCES archived_payments (id),
    order_id   TEXT NOT NULL REFERENCES archived_orders (id),
    minor      BIGINT NOT NULL,
    currency   TEXT NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (provider, txn)
);
CREATE INDEX archived_charges_by_order ON archived_charges (order_id);
CREATE INDEX archived_charges_by_time ON archived_charges (provider, at);

CREATE TABLE archived_refunds (
    id           TEXT PRIMARY KEY,
    kind         TEXT NOT NULL,
    payment_id   TEXT NOT NULL REFERENCES archived_payments (id),
    order_id     TEXT NOT NULL REFERENCES archived_orders (id),
    provider_txn TEXT NOT NULL,
    minor        BIGINT NOT NULL,
    fee_minor    BIGINT NOT NULL,
    currency     TEXT NOT NULL,
    reason       TEXT NOT NULL,
    state        TEXT NOT NULL,
    asked_by     TEXT REFERENCES users (id),
    from_state   TEXT,
    note         TEXT,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
);
CREATE INDEX archived_refunds_by_order ON archived_refunds (order_id);
CREATE INDEX archived_refunds_by_state ON archived_refunds (state, updated_at);
CREATE INDEX archived_refunds_by_charge ON archived_refunds (provider_txn) WHERE kind = 'CHARGE';

CREATE TABLE archived_tickets (
    id         TEXT PRIMARY KEY,
    order_id   TEXT NOT NULL REFERENCES archived_orders (id),
    session_id TEXT NOT NULL REFERENCES sessions (id),
    position   BIGINT NOT NULL,
    state      TEXT NOT NULL,
    used_at    BIGINT,
    used_gate  TEXT,
    issued_at  BIGINT NOT NULL,
    UNIQUE (order_id, position)
);
CREATE INDEX archived_tickets_by_session ON archived_tickets (session_id);

CREATE TABLE archived_ticket_scans (
    id          TEXT PRIMARY KEY,
    session_id  TEXT NOT NULL REFERENCES sessions (id),
    ticket_id   TEXT,
    result      TEXT NOT NULL,
    gate        TEXT NOT NULL,
    staff_id    TEXT NOT NULL REFERENCES users (id),
    at          BIGINT NOT NULL,
    received_at BIGINT NOT NULL
);

CREATE TABLE archived_order_prices (
    order_id  TEXT PRIMARY KEY REFERENCES archived_orders (id),
    tenant_id TEXT NOT NULL,
    revision  BIGINT NOT NULL,
    subtotal  BIGINT NOT NULL,
    steps     TEXT NOT NULL,
    proof     TEXT NOT NULL,
    coupon_id TEXT REFERENCES coupons (id),
    coupon    TEXT UNIQUE
);
CREATE INDEX archived_order_prices_by_coupon ON archived_order_prices (coupon_id) WHERE coupon_id IS NOT NULL;

-- What the archive looks for, and what it takes along.
CREATE INDEX orders_ended ON orders (updated_at, id)
    WHERE state IN ('COMPLETED', 'CANCELLED', 'TIMEOUT_CANCELLED', 'REFUNDED', 'RESCHEDULED');
CREATE INDEX ticket_scans_by_ticket ON ticket_scans (ticket_id) WHERE ticket_id IS NOT NULL;

-- Both, for whoever reads. In one statement, since an order may move between two.
CREATE VIEW all_orders AS
    SELECT id, user_id, session_id, state, minor, currency, fingerprint, ledger_epoch, created_at, expires_at, updated_at,
           version, tenant_id, CAST(NULL AS BIGINT) AS archived_at
    FROM orders
    UNION ALL
    SELECT id, user_id, session_id, state, minor, currency, fingerprint, ledger_epoch, created_at, expires_at, updated_at,
           version, tenant_id, archived_at
    FROM archived_orders;
CREATE VIEW all_order_seats AS
    SELECT order_id, position, guid, category, minor
    FROM order_seats
    UNION ALL
    SELECT order_id, position, guid, category, minor
    FROM archived_order_seats;
CREATE VIEW all_order_history AS
    SELECT order_id, version, from_state, to_state, reason, at
    FROM order_history
    UNION ALL
    SELECT order_id, version, from_state, to_state, reason, at
    FROM archived_order_history;
CREATE VIEW all_sold_seats AS
    SELECT session_id, position, order_id, at
    FROM sold_seats
    UNION ALL
    SELECT session_id, position, order_id, at
    FROM archived_sold_seats;
CREATE VIEW all_payments AS
    SELECT id, order_id, provider, state, minor, currency, provider_txn, created_at, updated_at
    FROM payments
    UNION ALL
    SELECT id, order_id, provider, state, minor, currency, provider_txn, created_at, updated_at
    FROM archived_payments;
CREATE VIEW all_charges AS
    SELECT provider, txn, payment_id, order_id, minor, currency, at
    FROM charges
    UNION ALL
    SELECT provider, txn, payment_id, order_id, minor, currency, at
    FROM archived_charges;
CREATE VIEW all_refunds AS
    SELECT id, kind, payment_id, order_id, provider_txn, minor, fee_minor, currency, reason, state, asked_by, from_state,
           note, created_at, updated_at
    FROM refunds
    UNION ALL
    SELECT id, kind, payment_id, order_id, provider_txn, minor, fee_minor, currency, reason, state, asked_by, from_state,
           note, created_at, updated_at
    FROM archived_refunds;
CREATE VIEW all_tickets AS
    SELECT id, order_id, session_id, position, state, used_at, used_gate, issued_at
    FROM tickets
    UNION ALL
    SELECT id, order_id, session_id, position, state, used_at, used_gate, issued_at
    FROM archived_tickets;
CREATE VIEW all_ticket_scans AS
    SELECT id, session_id, ticket_id, result, gate, staff_id, at, received_at
    FROM ticket_scans
    UNION ALL
    SELECT id, session_id, ticket_id, result, gate, staff_id, at, received_at
    FROM archived_ticket_scans;
CREATE VIEW all_order_prices AS
    SELECT order_id, tenant_id, revision, subtotal, steps, proof, coupon_id, coupon
    FROM order_prices
    UNION ALL
    SELECT order_id, tenant_id, revision, subtotal, steps, proof, coupon_id, coupon
    FROM archived_order_prices;

-- Accounts of one mailbox, whatever stands behind a plus sign in their addresses: sales may count them as one person. Only who
-- has the keys can compute it; the program fills it in when it starts.
ALTER TABLE users ADD COLUMN person_index TEXT;
CREATE INDEX users_by_person ON users (person_index);
