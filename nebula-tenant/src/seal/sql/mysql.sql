CREATE TABLE IF NOT EXISTS nebula_tenant_keyrings (
    tenant VARCHAR(63) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    erased BOOLEAN NOT NULL
);
CREATE TABLE IF NOT EXISTS nebula_tenant_keys (
    tenant VARCHAR(63) CHARACTER SET ascii COLLATE ascii_bin NOT NULL REFERENCES nebula_tenant_keyrings (tenant),
    version BIGINT NOT NULL,
    master VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    wrapped BLOB NOT NULL,
    PRIMARY KEY (tenant, version)
);
