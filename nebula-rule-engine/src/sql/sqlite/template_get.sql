-- id
SELECT document, claimed FROM nebula_rules_coupon_template WHERE id = ?
