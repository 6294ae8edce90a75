-- One row per message, from its sending to its acknowledgement. Names are bytes: with letters' case, with trailing spaces.
CREATE TABLE IF NOT EXISTS nebula_delay_message (
    seq        BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    queue      VARBINARY(200) NOT NULL,
    id         VARBINARY(256) NOT NULL,
    -- 0 high, 1 normal, 2 low
    `rank`     BIGINT         NOT NULL,
    -- First due time.
    due_ms     BIGINT         NOT NULL,
    -- From when it can be claimed: due time, end of a retry pause, or end of the current lease. NULL for a dead letter.
    at_ms      BIGINT,
    -- What at_ms was when it was claimed last.
    ready_ms   BIGINT         NOT NULL,
    attempts   BIGINT         NOT NULL DEFAULT 0,
    -- Proof of the latest lease.
    token      VARBINARY(64),
    envelope   MEDIUMTEXT     NOT NULL,
    body       MEDIUMBLOB     NOT NULL,
    last_error MEDIUMTEXT,
    died_ms    BIGINT,
    reason     TEXT,
    UNIQUE INDEX nebula_delay_message_id (queue, id),
    INDEX nebula_delay_message_at (queue, `rank`, at_ms, seq),
    INDEX nebula_delay_message_dead (queue, died_ms, seq)
) ENGINE = InnoDB, DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO nebula_delay_schema (version) VALUES (1);
