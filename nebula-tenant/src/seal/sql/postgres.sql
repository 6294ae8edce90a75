CREATE TABLE IF NOT EXISTS nebula_tenant_keyrings (
    tenant VARCHAR(63) NOT NULL PRIMARY KEY,
    erased BOOLEAN NOT NULL
);
CREATE TABLE IF NOT EXISTS nebula_tenant_keys (
    tenant VARCHAR(63) NOT NULL REFERENCES nebula_tenant_keyrings (tenant),
    version BIGINT NOT NULL,
    master VARCHAR(255) NOT NULL,
    wrapped BYTEA NOT NULL,
    PRIMARY KEY (tenant, version)
);
