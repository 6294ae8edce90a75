-- Jobs that come again and again, with what their latest run was: for every server to know when the next one is due.
CREATE TABLE jobs (
    name         TEXT PRIMARY KEY,
    known_since  BIGINT NOT NULL,
    began_at     BIGINT,               -- the latest run; none so far
    ended_at     BIGINT,
    outcome      TEXT,                 -- done, failed
    did          TEXT,                 -- JSON: what it did, by name
    error        TEXT,
    process      TEXT,
    succeeded_at BIGINT,
    runs         BIGINT NOT NULL,
    failures     BIGINT NOT NULL
);
