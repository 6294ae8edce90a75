-- People by their documents. Names and numbers are sealed for their row; `identity_index` and the like are keyed hashes, by which they
-- are found and counted.

-- Whose account it is, as an authority confirmed it.
CREATE TABLE verified_identities (
    user_id        TEXT PRIMARY KEY REFERENCES users (id),
    identity_index TEXT NOT NULL,
    person_sealed  TEXT NOT NULL,
    verified_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX verified_identities_by_identity ON verified_identities (identity_index);

-- Whom a buyer buys for.
CREATE TABLE contacts (
    id             TEXT PRIMARY KEY,
    user_id        TEXT NOT NULL REFERENCES users (id),
    identity_index TEXT NOT NULL,
    person_sealed  TEXT NOT NULL,
    created_at     INTEGER NOT NULL,
    UNIQUE (user_id, identity_index)
) STRICT, WITHOUT ROWID;

-- Whose a seat of an order is.
CREATE TABLE order_attendees (
    order_id       TEXT NOT NULL REFERENCES orders (id),
    position       INTEGER NOT NULL,
    tenant_id      TEXT NOT NULL,
    identity_index TEXT NOT NULL,
    name_index     TEXT NOT NULL,
    number_index   TEXT NOT NULL,
    person_sealed  TEXT NOT NULL,
    verified       TEXT NOT NULL,   -- yes, later, no
    PRIMARY KEY (order_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX order_attendees_by_identity ON order_attendees (identity_index);
CREATE INDEX order_attendees_by_name ON order_attendees (name_index);
CREATE INDEX order_attendees_by_number ON order_attendees (number_index);
CREATE INDEX order_attendees_unchecked ON order_attendees (order_id) WHERE verified = 'later';

CREATE TABLE archived_order_attendees (
    order_id       TEXT NOT NULL REFERENCES archived_orders (id),
    position       INTEGER NOT NULL,
    tenant_id      TEXT NOT NULL,
    identity_index TEXT NOT NULL,
    name_index     TEXT NOT NULL,
    number_index   TEXT NOT NULL,
    person_sealed  TEXT NOT NULL,
    verified       TEXT NOT NULL,
    PRIMARY KEY (order_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX archived_order_attendees_by_name ON archived_order_attendees (name_index);
CREATE INDEX archived_order_attendees_by_number ON archived_order_attendees (number_index);
CREATE VIEW all_order_attendees AS
    SELECT order_id, position, tenant_id, identity_index, name_index, number_index, person_sealed, verified
    FROM order_attendees
    UNION ALL
    SELECT order_id, position, tenant_id, identity_index, name_index, number_index, person_sealed, verified
    FROM archived_order_attendees;

-- A telephone number that its owner has confirmed, by a keyed hash: accounts of one number are one person's.
ALTER TABLE users ADD COLUMN phone_index TEXT;
ALTER TABLE users ADD COLUMN phone_confirmed_at INTEGER;
-- Whether what happens to orders is told by text messages, too.
ALTER TABLE users ADD COLUMN text_messages INTEGER NOT NULL DEFAULT 1;
CREATE INDEX users_by_phone ON users (phone_index) WHERE phone_index IS NOT NULL;

-- Where somebody gets mail.
CREATE TABLE postal_addresses (
    id             TEXT PRIMARY KEY,
    user_id        TEXT NOT NULL REFERENCES users (id),
    address_sealed TEXT NOT NULL,
    created_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX postal_addresses_by_user ON postal_addresses (user_id);
