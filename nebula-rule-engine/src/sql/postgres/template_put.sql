-- id, document, total
INSERT INTO nebula_rules_coupon_template (id, document, total) VALUES ($1, $2, $3)
ON CONFLICT (id) DO UPDATE SET document = excluded.document, total = excluded.total
