-- The newest fence token of each resource, whose name may be as long as a lock key. Names compare byte by byte, as lock keys do.
CREATE TABLE IF NOT EXISTS nebula_lock_fence (
  resource VARCHAR(512) NOT NULL PRIMARY KEY,
  token BIGINT NOT NULL CHECK (token > 0)
)
