DELETE FROM nebula_auth_rbac_holder WHERE user_id = $1
