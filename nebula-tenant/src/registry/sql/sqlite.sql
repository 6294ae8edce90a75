CREATE TABLE IF NOT EXISTS nebula_tenants (
    tenant TEXT NOT NULL PRIMARY KEY,
    plan TEXT NOT NULL,
    settings TEXT NOT NULL,
    status TEXT NOT NULL,
    version BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS nebula_tenant_domains (
    domain TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES nebula_tenants (tenant)
);
CREATE INDEX IF NOT EXISTS nebula_tenant_domains_of ON nebula_tenant_domains (tenant);
CREATE TABLE IF NOT EXISTS nebula_tenant_steps (
    tenant TEXT NOT NULL,
    step TEXT NOT NULL,
    PRIMARY KEY (tenant, step)
);
