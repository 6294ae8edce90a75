-- Which messages took effect, or are being handled.
CREATE TABLE nebula_delay_mark (
    queue    TEXT    NOT NULL,
    id       TEXT    NOT NULL,
    -- Who is at it; NULL when it is done.
    token    TEXT,
    -- As long as either counts.
    until_ms INTEGER NOT NULL,
    PRIMARY KEY (queue, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX nebula_delay_mark_until ON nebula_delay_mark (until_ms);

INSERT INTO nebula_delay_schema (version) VALUES (2);
