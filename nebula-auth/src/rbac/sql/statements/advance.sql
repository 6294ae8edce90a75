-- Takes the lock that all commits wait for.
UPDATE nebula_auth_rbac_head SET sequence = sequence + 1
