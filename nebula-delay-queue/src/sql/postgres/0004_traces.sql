-- What happened to messages.
CREATE TABLE nebula_delay_event (
    seq   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue TEXT   NOT NULL,
    id    TEXT   NOT NULL,
    at_us BIGINT NOT NULL,
    event TEXT   NOT NULL
);

CREATE INDEX nebula_delay_event_id ON nebula_delay_event (queue, id, at_us);
CREATE INDEX nebula_delay_event_at ON nebula_delay_event (at_us);

-- What should happen to them next.
CREATE TABLE nebula_delay_life (
    queue   TEXT   NOT NULL,
    id      TEXT   NOT NULL,
    -- The time of the latest event.
    seen_us BIGINT NOT NULL,
    -- The time of the latest event that says whether anything is to come, and when that is due.
    says_us BIGINT NOT NULL,
    due_us  BIGINT,
    PRIMARY KEY (queue, id)
)
WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

CREATE INDEX nebula_delay_life_due ON nebula_delay_life (queue, due_us) WHERE due_us IS NOT NULL;
CREATE INDEX nebula_delay_life_seen ON nebula_delay_life (seen_us);

INSERT INTO nebula_delay_schema (version) VALUES (4);
