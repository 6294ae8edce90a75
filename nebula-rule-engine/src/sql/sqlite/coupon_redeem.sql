-- order, id, holder, the order that may have given it back, now, now
UPDATE nebula_rules_coupon SET order_ref = ?
WHERE id = ? AND holder = ? AND order_ref IS NULL AND (given_back IS NULL OR given_back <> ?)
  AND from_ms <= ? AND until_ms > ?
