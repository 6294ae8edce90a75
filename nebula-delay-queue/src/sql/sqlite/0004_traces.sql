-- What happened to messages.
CREATE TABLE nebula_delay_event (
    seq   INTEGER PRIMARY KEY,
    queue TEXT    NOT NULL,
    id    TEXT    NOT NULL,
    at_us INTEGER NOT NULL,
    event TEXT    NOT NULL
) STRICT;

CREATE INDEX nebula_delay_event_id ON nebula_delay_event (queue, id, at_us);
CREATE INDEX nebula_delay_event_at ON nebula_delay_event (at_us);

-- What should happen to them next.
CREATE TABLE nebula_delay_life (
    queue   TEXT    NOT NULL,
    id      TEXT    NOT NULL,
    -- The time of the latest event.
    seen_us INTEGER NOT NULL,
    -- The time of the latest event that says whether anything is to come, and when that is due.
    says_us INTEGER NOT NULL,
    due_us  INTEGER,
    PRIMARY KEY (queue, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX nebula_delay_life_due ON nebula_delay_life (queue, due_us);
CREATE INDEX nebula_delay_life_seen ON nebula_delay_life (seen_us);

INSERT INTO nebula_delay_schema (version) VALUES (4);
