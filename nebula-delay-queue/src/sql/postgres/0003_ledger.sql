-- What is known of messages that a broker carries.
CREATE TABLE nebula_delay_ledger (
    queue   TEXT   NOT NULL,
    id      TEXT   NOT NULL,
    -- Another one with every change.
    version BIGINT NOT NULL,
    -- 0 being sent, 1 waiting, 2 leased, 3 dead, 4 over
    state   BIGINT NOT NULL,
    at_ms   BIGINT NOT NULL,
    detail  TEXT   NOT NULL,
    content BYTEA,
    PRIMARY KEY (queue, id)
)
WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

CREATE INDEX nebula_delay_ledger_at ON nebula_delay_ledger (queue, state, at_ms);

INSERT INTO nebula_delay_schema (version) VALUES (3);
