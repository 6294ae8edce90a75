-- Entries of the audit log are added, and never changed or removed. (TRUNCATE asks no trigger; it needs the right to drop.)
DROP TRIGGER IF EXISTS nebula_auth_audit_no_update;

CREATE TRIGGER nebula_auth_audit_no_update BEFORE UPDATE ON nebula_auth_audit
    FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'the audit log is append-only';

DROP TRIGGER IF EXISTS nebula_auth_audit_no_delete;

CREATE TRIGGER nebula_auth_audit_no_delete BEFORE DELETE ON nebula_auth_audit
    FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'the audit log is append-only';

INSERT IGNORE INTO nebula_auth_rbac_schema (version) VALUES (2);
