SELECT coalesce(max(version), 0) FROM nebula_auth_rbac_schema
