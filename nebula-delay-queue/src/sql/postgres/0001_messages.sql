-- One row per message, from its sending to its acknowledgement.
CREATE TABLE nebula_delay_message (
    seq        BIGINT   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue      TEXT     NOT NULL,
    id         TEXT     NOT NULL,
    -- 0 high, 1 normal, 2 low
    rank       BIGINT   NOT NULL,
    -- First due time.
    due_ms     BIGINT   NOT NULL,
    -- From when it can be claimed: due time, end of a retry pause, or end of the current lease. NULL for a dead letter.
    at_ms      BIGINT,
    -- What at_ms was when it was claimed last.
    ready_ms   BIGINT   NOT NULL,
    attempts   BIGINT   NOT NULL DEFAULT 0,
    -- Proof of the latest lease.
    token      TEXT,
    envelope   TEXT     NOT NULL,
    body       BYTEA    NOT NULL,
    last_error TEXT,
    died_ms    BIGINT,
    reason     TEXT
)
-- Every message is changed at least once: room on the page keeps that cheap, and vacuuming early keeps the indexes small.
WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

CREATE UNIQUE INDEX nebula_delay_message_id ON nebula_delay_message (queue, id);
CREATE INDEX nebula_delay_message_at ON nebula_delay_message (queue, rank, at_ms, seq) WHERE at_ms IS NOT NULL;
CREATE INDEX nebula_delay_message_dead ON nebula_delay_message (queue, died_ms, seq) WHERE died_ms IS NOT NULL;

INSERT INTO nebula_delay_schema (version) VALUES (1);
