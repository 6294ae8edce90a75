-- Orders of which the authority refused a name after they were placed, and what came of it (decision 0061).
CREATE TABLE refused_names (
    order_id    TEXT PRIMARY KEY REFERENCES orders (id),
    at          INTEGER NOT NULL,
    consequence TEXT CHECK (consequence IN ('ended', 'refund', 'staff', 'nothing'))   -- NULL: nothing yet
) STRICT, WITHOUT ROWID;
CREATE INDEX refused_names_open ON refused_names (at, order_id) WHERE consequence IS NULL;
CREATE TABLE archived_refused_names (
    order_id    TEXT PRIMARY KEY REFERENCES archived_orders (id),
    at          INTEGER NOT NULL,
    consequence TEXT
) STRICT, WITHOUT ROWID;
CREATE VIEW all_refused_names AS
    SELECT order_id, at, consequence FROM refused_names
    UNION ALL
    SELECT order_id, at, consequence FROM archived_refused_names;

-- Devices that an account was entered on, by a keyed hash: nobody reads from it which device that is (decision 0062).
CREATE TABLE known_devices (
    user_id      TEXT NOT NULL REFERENCES users (id),
    device_index TEXT NOT NULL,
    first_at     INTEGER NOT NULL,
    seen_at      INTEGER NOT NULL,
    PRIMARY KEY (user_id, device_index)
) STRICT, WITHOUT ROWID;
CREATE INDEX known_devices_by_age ON known_devices (seen_at);
