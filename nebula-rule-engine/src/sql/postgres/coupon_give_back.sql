-- order, id, order
UPDATE nebula_rules_coupon SET order_ref = NULL, given_back = $1
WHERE id = $2 AND order_ref = $3
