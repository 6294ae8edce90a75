-- What a provider took: one row for each movement of money, so that a payment that was charged twice has two.
CREATE TABLE charges (
    provider   TEXT NOT NULL,
    txn        TEXT NOT NULL,
    payment_id TEXT NOT NULL REFERENCES payments (id),
    order_id   TEXT NOT NULL REFERENCES orders (id),
    minor      BIGINT NOT NULL,
    currency   TEXT NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (provider, txn)
);
CREATE INDEX charges_by_order ON charges (order_id);
CREATE INDEX charges_by_time ON charges (provider, at);
INSERT INTO charges (provider, txn, payment_id, order_id, minor, currency, at)
SELECT provider, provider_txn, id, order_id, minor, currency, updated_at FROM payments
WHERE state = 'SUCCEEDED' AND provider_txn IS NOT NULL
ON CONFLICT DO NOTHING;
INSERT INTO charges (provider, txn, payment_id, order_id, minor, currency, at)
SELECT payments.provider, refunds.provider_txn, payments.id, payments.order_id, refunds.minor, refunds.currency, refunds.created_at
FROM refunds JOIN payments ON payments.id = refunds.payment_id
WHERE true
ON CONFLICT DO NOTHING;

-- CHARGE: a charge without an order goes back whole. ORDER: somebody asked for the money of an order; `fee_minor` is kept.
ALTER TABLE refunds
    DROP CONSTRAINT refunds_provider_txn_key,
    DROP CONSTRAINT refunds_state_check,
    ADD COLUMN kind       TEXT NOT NULL DEFAULT 'CHARGE' CHECK (kind IN ('CHARGE', 'ORDER')),
    ADD COLUMN fee_minor  BIGINT NOT NULL DEFAULT 0 CHECK (fee_minor >= 0),
    ADD COLUMN asked_by   TEXT REFERENCES users (id),   -- NULL: the platform itself
    ADD COLUMN from_state TEXT,                         -- what the order goes back to when the refund is refused
    ADD COLUMN note       TEXT,                         -- why it was refused
    ADD CONSTRAINT refunds_state_check CHECK (state IN ('REQUESTED', 'PENDING', 'DONE', 'REFUSED'));
ALTER TABLE refunds ALTER COLUMN kind DROP DEFAULT;
CREATE UNIQUE INDEX refunds_once_a_charge ON refunds (provider_txn) WHERE kind = 'CHARGE';
CREATE UNIQUE INDEX refunds_once_an_order ON refunds (order_id) WHERE kind = 'ORDER' AND state <> 'REFUSED';
CREATE INDEX refunds_by_order ON refunds (order_id);
CREATE INDEX refunds_by_state ON refunds (state, updated_at);

-- The right to one seat. Its code is made from its identifier and a key, and stands nowhere.
CREATE TABLE tickets (
    id         TEXT PRIMARY KEY,
    order_id   TEXT NOT NULL REFERENCES orders (id),
    session_id TEXT NOT NULL REFERENCES sessions (id),
    position   BIGINT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('VALID', 'USED', 'VOID')),
    used_at    BIGINT,
    used_gate  TEXT,
    issued_at  BIGINT NOT NULL,
    UNIQUE (order_id, position)
);
CREATE INDEX tickets_by_session ON tickets (session_id);

-- Everything that was held before a scanner, and what was answered.
CREATE TABLE ticket_scans (
    id          TEXT PRIMARY KEY,   -- named by the device: an upload that is repeated changes nothing
    session_id  TEXT NOT NULL REFERENCES sessions (id),
    ticket_id   TEXT,               -- NULL: not one of ours
    result      TEXT NOT NULL,
    gate        TEXT NOT NULL,
    staff_id    TEXT NOT NULL REFERENCES users (id),
    at          BIGINT NOT NULL,   -- by the device's clock
    received_at BIGINT NOT NULL
);
CREATE INDEX ticket_scans_by_session ON ticket_scans (session_id, received_at);

-- Orders that wait for their tickets, and those whose show will be over.
CREATE INDEX orders_paid ON orders (updated_at) WHERE state = 'PAID';
CREATE INDEX orders_issued ON orders (session_id) WHERE state = 'ISSUED';
CREATE INDEX orders_refunded ON orders (session_id) WHERE state = 'REFUNDED';

-- A provider's bill of a day compared with the books.
CREATE TABLE statement_reports (
    provider    TEXT NOT NULL,
    day         TEXT NOT NULL,      -- 2026-11-22, as the provider counts days
    differences BIGINT NOT NULL,
    report      TEXT NOT NULL,      -- JSON
    at          BIGINT NOT NULL,
    PRIMARY KEY (provider, day)
);

-- The mock provider's books of refunds, and when it took money.
ALTER TABLE mock_charges ADD COLUMN paid_at BIGINT;
CREATE TABLE mock_refunds (
    refund_id  TEXT PRIMARY KEY,
    payment_id TEXT NOT NULL,
    txn        TEXT NOT NULL,
    minor      BIGINT NOT NULL,
    currency   TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('DONE', 'REFUSED')),
    at         BIGINT NOT NULL
);
CREATE INDEX mock_refunds_by_charge ON mock_refunds (payment_id, txn);
