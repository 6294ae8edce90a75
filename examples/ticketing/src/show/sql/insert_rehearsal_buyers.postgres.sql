-- $1 JSON array of identifiers, $2 now. Without a password hash: nobody can sign in as one of them. They have no address.
INSERT INTO users (id, email_index, email_sealed, display_name, created_at)
SELECT value, value, '', 'Rehearsal buyer ' || key, $2
FROM jsonb_array_elements_text($1::jsonb) WITH ORDINALITY AS buyer (value, key)
