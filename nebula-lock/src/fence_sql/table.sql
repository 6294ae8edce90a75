-- The newest fence token of each resource. Names compare byte by byte, as lock keys do.
CREATE TABLE IF NOT EXISTS nebula_lock_fence (
  resource VARCHAR(255) NOT NULL PRIMARY KEY,
  token BIGINT NOT NULL CHECK (token > 0)
)
