-- $1 JSON array of identifiers, $2 now. Without a password hash: nobody can sign in as one of them. They have neither an address nor a name.
INSERT INTO users (id, email_index, email_sealed, display_name, created_at)
SELECT value, value, '', '', $2
FROM jsonb_array_elements_text($1::jsonb) AS buyer (value)
