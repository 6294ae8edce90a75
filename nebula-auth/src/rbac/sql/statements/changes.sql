SELECT h.sequence, h.policy, u.id
FROM nebula_auth_rbac_head h
LEFT JOIN (SELECT id FROM nebula_auth_rbac_user WHERE version > $1 ORDER BY version LIMIT $2) u ON 1 = 1
