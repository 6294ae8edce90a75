-- What a former release leaves for the next start to finish: each start looks, in indexes of nothing else (decision 0065).
CREATE INDEX users_open_address ON users (id) WHERE email_sealed IS NULL;
-- PostgreSQL would take buyers of rehearsals, who are nobody's, for many of these, and read all accounts: of coalesce it assumes nothing.
CREATE INDEX users_without_person ON users (id) WHERE coalesce(person_index, '') = '' AND email_sealed <> '';
CREATE INDEX users_open_name ON users (id) WHERE display_name <> '';
CREATE INDEX merchant_invitations_open_address ON merchant_invitations (id) WHERE email_sealed IS NULL;

-- Whether it is written down by what parts of a name or number somebody is found. Former releases do not say so.
ALTER TABLE order_attendees ADD COLUMN has_grams BIGINT NOT NULL DEFAULT 0;
ALTER TABLE archived_order_attendees ADD COLUMN has_grams BIGINT NOT NULL DEFAULT 0;
DROP VIEW all_order_attendees;
CREATE VIEW all_order_attendees AS
    SELECT order_id, position, tenant_id, identity_index, name_index, number_index, person_sealed, verified, has_grams
    FROM order_attendees
    UNION ALL
    SELECT order_id, position, tenant_id, identity_index, name_index, number_index, person_sealed, verified, has_grams
    FROM archived_order_attendees;
CREATE INDEX order_attendees_without_grams ON order_attendees (order_id, position) WHERE has_grams = 0;
CREATE INDEX archived_order_attendees_without_grams ON archived_order_attendees (order_id, position) WHERE has_grams = 0;
