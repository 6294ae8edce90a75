SELECT body FROM nebula_auth_audit WHERE number > $1 ORDER BY number LIMIT $2
