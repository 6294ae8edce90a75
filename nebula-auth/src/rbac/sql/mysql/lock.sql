SELECT GET_LOCK(CONCAT('nebula_auth_rbac:', MD5(DATABASE())), 60)
