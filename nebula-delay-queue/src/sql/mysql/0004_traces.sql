-- What happened to messages. Names are bytes.
CREATE TABLE IF NOT EXISTS nebula_delay_event (
    seq   BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    queue VARBINARY(200) NOT NULL,
    id    VARBINARY(256) NOT NULL,
    at_us BIGINT         NOT NULL,
    event MEDIUMTEXT     NOT NULL,
    INDEX nebula_delay_event_id (queue, id, at_us),
    INDEX nebula_delay_event_at (at_us)
) ENGINE = InnoDB, DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What should happen to them next.
CREATE TABLE IF NOT EXISTS nebula_delay_life (
    queue   VARBINARY(200) NOT NULL,
    id      VARBINARY(256) NOT NULL,
    -- The time of the latest event.
    seen_us BIGINT         NOT NULL,
    -- The time of the latest event that says whether anything is to come, and when that is due.
    says_us BIGINT         NOT NULL,
    due_us  BIGINT,
    PRIMARY KEY (queue, id),
    INDEX nebula_delay_life_due (queue, due_us),
    INDEX nebula_delay_life_seen (seen_us)
) ENGINE = InnoDB, DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO nebula_delay_schema (version) VALUES (4);
