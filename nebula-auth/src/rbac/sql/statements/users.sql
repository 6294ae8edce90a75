SELECT h.sequence, h.policy, @now AS now_ms, u.id, u.version, u.body
FROM nebula_auth_rbac_head h
JOIN nebula_auth_rbac_user u ON 1 = 1
WHERE u.body IS NOT NULL AND u.id > $1
ORDER BY u.id
LIMIT $2
