-- id
SELECT seq, id, template, holder, order_ref, given_back, claimed_ms, from_ms, until_ms
FROM nebula_rules_coupon WHERE id = ?
