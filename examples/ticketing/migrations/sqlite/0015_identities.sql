-- Whose accounts at providers of sign-ins belong to whom here: a keyed hash of the provider and its name for the person, so that
-- nobody reads from it who that is.
CREATE TABLE identities (
    identity_index TEXT PRIMARY KEY,
    provider       TEXT NOT NULL,
    user_id        TEXT NOT NULL REFERENCES users (id),
    created_at     INTEGER NOT NULL
);
CREATE INDEX identities_user ON identities (user_id);
