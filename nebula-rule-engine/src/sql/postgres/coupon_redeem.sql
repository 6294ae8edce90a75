-- order, id, holder, the order that may have given it back, now, now
UPDATE nebula_rules_coupon SET order_ref = $1
WHERE id = $2 AND holder = $3 AND order_ref IS NULL AND (given_back IS NULL OR given_back <> $4)
  AND from_ms <= $5 AND until_ms > $6
