SELECT version FROM nebula_auth_rbac_user WHERE id = $1
