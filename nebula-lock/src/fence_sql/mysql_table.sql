-- The newest fence token of each resource, whose name may be as long as a lock key. Names compare byte by byte, as lock keys do; InnoDB, because the lock of the
-- row has to last until the transaction ends.
CREATE TABLE IF NOT EXISTS nebula_lock_fence (
  resource VARBINARY(512) NOT NULL PRIMARY KEY,
  token BIGINT NOT NULL CHECK (token > 0)
) ENGINE = InnoDB
