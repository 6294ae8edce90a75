INSERT INTO nebula_auth_schema (version) VALUES (?1)
