-- What people are found by who are remembered in part: keyed hashes of the letters and pairs of letters of their names and of the last
-- characters of their document's number (decision 0058). They stay when an order is archived.
CREATE TABLE attendee_grams (
    tenant_id TEXT NOT NULL,
    gram      TEXT NOT NULL,
    order_id  TEXT NOT NULL,
    position  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, gram, order_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX attendee_grams_by_seat ON attendee_grams (order_id, position);
