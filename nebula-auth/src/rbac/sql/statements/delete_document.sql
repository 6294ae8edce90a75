DELETE FROM nebula_auth_rbac_document WHERE kind = $1 AND id = $2
