-- template, holder
SELECT count(*) FROM nebula_rules_coupon WHERE template = ? AND holder = ?
