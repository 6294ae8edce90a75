DELETE FROM nebula_auth_proof WHERE kind = $1 AND id = $2 AND revision = $3
