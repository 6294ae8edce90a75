-- id, document, total
INSERT INTO nebula_rules_coupon_template (id, document, total) VALUES (?, ?, ?)
ON CONFLICT (id) DO UPDATE SET document = excluded.document, total = excluded.total
