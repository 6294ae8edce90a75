CREATE TABLE IF NOT EXISTS nebula_auth_schema (
    version BIGINT NOT NULL PRIMARY KEY
)
