SELECT rolname::text AS name, rolsuper OR rolbypassrls AS bypasses FROM pg_roles WHERE rolname = current_user
