-- Addresses and telephone numbers are sealed. An address is found by `email_index`, which only who has the keys can compute.
-- A row without `email_sealed` still has the address itself there: the program seals it when it starts.
ALTER TABLE users RENAME COLUMN email TO email_index;
ALTER TABLE users ADD COLUMN email_sealed TEXT;
ALTER TABLE users ADD COLUMN phone_sealed TEXT;
ALTER TABLE merchant_invitations RENAME COLUMN email TO email_index;
ALTER TABLE merchant_invitations ADD COLUMN email_sealed TEXT;
