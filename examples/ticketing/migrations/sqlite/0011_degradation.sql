-- What operators say is given up under load: one row, or none where nobody ever said anything.
CREATE TABLE degradation (
    id        BIGINT PRIMARY KEY CHECK (id = 1),
    level     BIGINT NOT NULL,
    automatic BIGINT NOT NULL,
    reason    TEXT NOT NULL,
    made_by   TEXT NOT NULL,
    made_at   BIGINT NOT NULL
);
