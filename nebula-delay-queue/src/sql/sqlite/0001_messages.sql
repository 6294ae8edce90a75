-- One row per message, from its sending to its acknowledgement.
CREATE TABLE nebula_delay_message (
    seq        INTEGER PRIMARY KEY,
    queue      TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    -- 0 high, 1 normal, 2 low
    rank       INTEGER NOT NULL,
    -- First due time.
    due_ms     INTEGER NOT NULL,
    -- From when it can be claimed: due time, end of a retry pause, or end of the current lease. NULL for a dead letter.
    at_ms      INTEGER,
    -- What at_ms was when it was claimed last.
    ready_ms   INTEGER NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    -- Proof of the latest lease.
    token      TEXT,
    envelope   TEXT    NOT NULL,
    body       BLOB    NOT NULL,
    last_error TEXT,
    died_ms    INTEGER,
    reason     TEXT
) STRICT;

CREATE UNIQUE INDEX nebula_delay_message_id ON nebula_delay_message (queue, id);
CREATE INDEX nebula_delay_message_at ON nebula_delay_message (queue, rank, at_ms) WHERE at_ms IS NOT NULL;
CREATE INDEX nebula_delay_message_dead ON nebula_delay_message (queue, died_ms) WHERE died_ms IS NOT NULL;

INSERT INTO nebula_delay_schema (version) VALUES (1);
