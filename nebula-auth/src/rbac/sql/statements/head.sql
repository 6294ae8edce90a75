SELECT sequence, policy FROM nebula_auth_rbac_head
