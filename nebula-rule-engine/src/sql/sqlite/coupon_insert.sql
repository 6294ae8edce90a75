-- id, template, holder, claimed, from, until
INSERT INTO nebula_rules_coupon (id, template, holder, claimed_ms, from_ms, until_ms) VALUES (?, ?, ?, ?, ?, ?)
