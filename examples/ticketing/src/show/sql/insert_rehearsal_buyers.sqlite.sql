-- $1 JSON array of identifiers, $2 now. Without a password hash: nobody can sign in as one of them.
INSERT INTO users (id, email, display_name, created_at)
SELECT value, value || '@rehearsal.invalid', 'Rehearsal buyer ' || (key + 1), $2
FROM json_each($1)
