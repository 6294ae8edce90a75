CREATE TABLE IF NOT EXISTS nebula_tenant_usage (
    tenant TEXT NOT NULL,
    resource TEXT NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (tenant, resource)
);
