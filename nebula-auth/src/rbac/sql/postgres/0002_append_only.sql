-- Entries of the audit log are added, and never changed or removed.
CREATE OR REPLACE FUNCTION nebula_auth_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END
$$;

CREATE TRIGGER nebula_auth_audit_append_only BEFORE UPDATE OR DELETE ON nebula_auth_audit
    FOR EACH ROW EXECUTE FUNCTION nebula_auth_audit_refuse();

CREATE TRIGGER nebula_auth_audit_no_truncate BEFORE TRUNCATE ON nebula_auth_audit
    FOR EACH STATEMENT EXECUTE FUNCTION nebula_auth_audit_refuse();

INSERT INTO nebula_auth_rbac_schema (version) VALUES (2);
