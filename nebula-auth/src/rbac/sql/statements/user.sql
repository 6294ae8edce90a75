SELECT h.sequence, h.policy, @now AS now_ms, u.id, coalesce(u.version, 0) AS version, u.body
FROM nebula_auth_rbac_head h
LEFT JOIN nebula_auth_rbac_user u ON u.id = $1
