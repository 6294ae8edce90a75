-- Places of standing areas: numbered as seats are, after all of them, and told apart by nobody.
ALTER TABLE plan_seats ADD COLUMN standing BIGINT NOT NULL DEFAULT 0;

-- Shows that buyers want to see.
CREATE TABLE wanted_shows (
    user_id TEXT NOT NULL REFERENCES users (id),
    show_id TEXT NOT NULL REFERENCES shows (id),
    at      BIGINT NOT NULL,
    PRIMARY KEY (user_id, show_id)
);
CREATE INDEX wanted_shows_by_show ON wanted_shows (show_id);

-- Who was reminded of the opening of which sale.
CREATE TABLE sale_reminders (
    session_id TEXT NOT NULL REFERENCES sessions (id),
    user_id    TEXT NOT NULL REFERENCES users (id),
    at         BIGINT NOT NULL,
    PRIMARY KEY (session_id, user_id)
);
