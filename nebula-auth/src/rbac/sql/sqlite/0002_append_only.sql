-- Entries of the audit log are added, and never changed, removed or replaced.
CREATE TRIGGER nebula_auth_audit_no_update BEFORE UPDATE ON nebula_auth_audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

CREATE TRIGGER nebula_auth_audit_no_delete BEFORE DELETE ON nebula_auth_audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

-- `INSERT OR REPLACE` removes rows without asking the trigger above.
CREATE TRIGGER nebula_auth_audit_no_replace BEFORE INSERT ON nebula_auth_audit
WHEN EXISTS (SELECT 1 FROM nebula_auth_audit WHERE number = NEW.number)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

INSERT INTO nebula_auth_rbac_schema (version) VALUES (2);
