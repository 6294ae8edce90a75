CREATE TABLE IF NOT EXISTS nebula_tenant_keyrings (
    tenant TEXT NOT NULL PRIMARY KEY,
    erased BOOLEAN NOT NULL
);
CREATE TABLE IF NOT EXISTS nebula_tenant_keys (
    tenant TEXT NOT NULL REFERENCES nebula_tenant_keyrings (tenant),
    version BIGINT NOT NULL,
    master TEXT NOT NULL,
    wrapped BLOB NOT NULL,
    PRIMARY KEY (tenant, version)
);
