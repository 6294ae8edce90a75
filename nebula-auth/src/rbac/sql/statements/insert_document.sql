INSERT INTO nebula_auth_rbac_document (kind, id, body) VALUES ($1, $2, $3)
