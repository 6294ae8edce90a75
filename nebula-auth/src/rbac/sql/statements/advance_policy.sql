UPDATE nebula_auth_rbac_head SET policy = sequence
