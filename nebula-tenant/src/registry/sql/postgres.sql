CREATE TABLE IF NOT EXISTS nebula_tenants (
    tenant VARCHAR(63) COLLATE "C" NOT NULL PRIMARY KEY,
    plan VARCHAR(255) NOT NULL,
    settings TEXT NOT NULL,
    status VARCHAR(20) NOT NULL,
    version BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS nebula_tenant_domains (
    domain VARCHAR(253) COLLATE "C" NOT NULL PRIMARY KEY,
    tenant VARCHAR(63) COLLATE "C" NOT NULL REFERENCES nebula_tenants (tenant)
);
CREATE INDEX IF NOT EXISTS nebula_tenant_domains_of ON nebula_tenant_domains (tenant);
CREATE TABLE IF NOT EXISTS nebula_tenant_steps (
    tenant VARCHAR(63) COLLATE "C" NOT NULL,
    step VARCHAR(255) COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, step)
);
