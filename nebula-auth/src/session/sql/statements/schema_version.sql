SELECT COALESCE(MAX(version), 0) FROM nebula_auth_schema
