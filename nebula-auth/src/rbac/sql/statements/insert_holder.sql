INSERT INTO nebula_auth_rbac_holder (role, user_id) VALUES ($1, $2)
