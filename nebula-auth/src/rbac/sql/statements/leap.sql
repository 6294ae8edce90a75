-- More than are ever made between two backups.
UPDATE nebula_auth_rbac_head SET sequence = sequence + 4294967296
