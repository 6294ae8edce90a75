-- template, holder
SELECT count(*) FROM nebula_rules_coupon WHERE template = $1 AND holder = $2
