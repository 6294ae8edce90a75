-- Runs of the comparison of the stock, and what each said of a session.
CREATE TABLE stock_runs (
    at        BIGINT PRIMARY KEY,
    sessions  BIGINT NOT NULL,
    mended    BIGINT NOT NULL,
    differing BIGINT NOT NULL,
    failed    BIGINT NOT NULL
);

CREATE TABLE stock_reports (
    session_id  TEXT NOT NULL REFERENCES sessions (id),
    at          BIGINT NOT NULL,      -- when the session was looked at
    outcome     TEXT NOT NULL,        -- sound, mended, differs
    differences BIGINT NOT NULL,
    report      TEXT NOT NULL,        -- JSON
    PRIMARY KEY (session_id, at)
);
CREATE INDEX stock_reports_at ON stock_reports (at);
