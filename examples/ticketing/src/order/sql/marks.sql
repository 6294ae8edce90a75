-- What tells that accounts are one person's: a mailbox, a confirmed telephone number, a verified identity.
SELECT coalesce(person_index, id) FROM users WHERE id = $1
UNION SELECT phone_index FROM users WHERE id = $1 AND phone_index IS NOT NULL
UNION SELECT identity_index FROM verified_identities WHERE user_id = $1
