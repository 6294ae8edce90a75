-- What is known of messages that a broker carries. Names are bytes.
CREATE TABLE IF NOT EXISTS nebula_delay_ledger (
    queue   VARBINARY(200) NOT NULL,
    id      VARBINARY(256) NOT NULL,
    -- Another one with every change.
    version BIGINT         NOT NULL,
    -- 0 being sent, 1 waiting, 2 leased, 3 dead, 4 over
    state   BIGINT         NOT NULL,
    at_ms   BIGINT         NOT NULL,
    detail  TEXT           NOT NULL,
    content MEDIUMBLOB,
    PRIMARY KEY (queue, id),
    INDEX nebula_delay_ledger_at (queue, state, at_ms)
) ENGINE = InnoDB, DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO nebula_delay_schema (version) VALUES (3);
