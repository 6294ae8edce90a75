INSERT INTO nebula_auth_rbac_user (id, version, body) VALUES ($1, $2, $3)
