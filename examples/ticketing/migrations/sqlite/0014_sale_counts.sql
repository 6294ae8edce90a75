-- What happened in a sale within each 10 seconds: every process adds what it counted, once a second.
CREATE TABLE sale_counts (
    session_id TEXT NOT NULL,
    at         INTEGER NOT NULL,   -- when the 10 seconds began
    what       TEXT NOT NULL,      -- a name of `Count`, or `refused:<gate>:<code>`
    count      INTEGER NOT NULL,   -- of what is money: minor units
    PRIMARY KEY (session_id, at, what)
) STRICT, WITHOUT ROWID;

-- The live screen of a sale adds up the orders of one session.
CREATE INDEX orders_by_session ON orders (session_id);
