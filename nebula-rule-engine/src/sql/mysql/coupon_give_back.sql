-- order, id, order
UPDATE nebula_rules_coupon SET order_ref = NULL, given_back = ?
WHERE id = ? AND order_ref = ?
