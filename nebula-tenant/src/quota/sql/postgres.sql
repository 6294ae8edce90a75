CREATE TABLE IF NOT EXISTS nebula_tenant_usage (
    tenant VARCHAR(63) NOT NULL,
    resource VARCHAR(20) NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (tenant, resource)
);
