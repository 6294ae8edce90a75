CREATE TABLE IF NOT EXISTS nebula_tenant_usage (
    tenant VARCHAR(63) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    resource VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (tenant, resource)
);
