SELECT h.sequence, h.policy, d.kind, d.id, d.body
FROM nebula_auth_rbac_head h
LEFT JOIN nebula_auth_rbac_document d ON 1 = 1
