-- What the sale of a session asks of buyers before they may order. A session without a row asks for nothing.
CREATE TABLE admission_policies (
    session_id TEXT PRIMARY KEY REFERENCES sessions (id),
    policy     TEXT NOT NULL,        -- JSON
    updated_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Who said before the sale that they want to buy.
CREATE TABLE reservations (
    session_id TEXT NOT NULL REFERENCES sessions (id),
    user_id    TEXT NOT NULL REFERENCES users (id),
    at         BIGINT NOT NULL,
    PRIMARY KEY (session_id, user_id)
);

-- Sessions that are sold in the flash-sale domain. A session never changes its domain once somebody may have bought.
CREATE TABLE flash_sessions (
    session_id TEXT PRIMARY KEY REFERENCES sessions (id),
    at         BIGINT NOT NULL
);

-- Who may not buy: accounts, networks, devices.
CREATE TABLE blacklist (
    id         TEXT PRIMARY KEY,
    kind       TEXT NOT NULL CHECK (kind IN ('user', 'network', 'device')),
    value      TEXT NOT NULL,
    reason     TEXT NOT NULL,
    made_by    TEXT,                 -- NULL: the rules of behaviour
    made_at    BIGINT NOT NULL,
    expires_at BIGINT,               -- NULL: until somebody takes it back
    UNIQUE (kind, value)
);
