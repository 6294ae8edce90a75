CREATE TABLE IF NOT EXISTS nebula_delay_schema (
    version    BIGINT PRIMARY KEY,
    applied_at DATETIME(6) NOT NULL DEFAULT current_timestamp(6)
) ENGINE = InnoDB
