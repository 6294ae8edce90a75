-- id, template, holder, claimed, from, until
INSERT INTO nebula_rules_coupon (id, template, holder, claimed_ms, from_ms, until_ms) VALUES ($1, $2, $3, $4, $5, $6)
