CREATE TABLE IF NOT EXISTS nebula_tenants (
    tenant VARCHAR(63) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    plan VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    settings LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    status VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    version BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS nebula_tenant_domains (
    domain VARCHAR(253) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    tenant VARCHAR(63) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    KEY nebula_tenant_domains_of (tenant)
);
CREATE TABLE IF NOT EXISTS nebula_tenant_steps (
    tenant VARCHAR(63) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    step VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    PRIMARY KEY (tenant, step)
);
