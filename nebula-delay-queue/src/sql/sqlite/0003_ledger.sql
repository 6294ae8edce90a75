-- What is known of messages that a broker carries.
CREATE TABLE nebula_delay_ledger (
    queue   TEXT    NOT NULL,
    id      TEXT    NOT NULL,
    -- Another one with every change.
    version INTEGER NOT NULL,
    -- 0 being sent, 1 waiting, 2 leased, 3 dead, 4 over
    state   INTEGER NOT NULL,
    at_ms   INTEGER NOT NULL,
    detail  TEXT    NOT NULL,
    content BLOB,
    PRIMARY KEY (queue, id)
) STRICT;

CREATE INDEX nebula_delay_ledger_at ON nebula_delay_ledger (queue, state, at_ms);

INSERT INTO nebula_delay_schema (version) VALUES (3);
