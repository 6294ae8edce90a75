CREATE TABLE IF NOT EXISTS nebula_delay_schema (
    version    BIGINT PRIMARY KEY,
    applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
)
