-- Which messages took effect, or are being handled. Names are bytes.
CREATE TABLE IF NOT EXISTS nebula_delay_mark (
    queue    VARBINARY(200) NOT NULL,
    id       VARBINARY(256) NOT NULL,
    -- Who is at it; NULL when it is done.
    token    VARBINARY(64),
    -- As long as either counts.
    until_ms BIGINT         NOT NULL,
    PRIMARY KEY (queue, id),
    INDEX nebula_delay_mark_until (until_ms)
) ENGINE = InnoDB, DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO nebula_delay_schema (version) VALUES (2);
