SELECT h.sequence, h.policy, @now AS now_ms, u.id, u.version, u.body
FROM nebula_auth_rbac_head h
JOIN nebula_auth_rbac_holder r ON r.role = $1
JOIN nebula_auth_rbac_user u ON u.id = r.user_id
WHERE u.body IS NOT NULL
ORDER BY u.id
