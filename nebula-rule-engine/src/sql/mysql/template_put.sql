-- id, document, total
INSERT INTO nebula_rules_coupon_template (id, document, total) VALUES (?, ?, ?)
ON DUPLICATE KEY UPDATE document = VALUES(document), total = VALUES(total)
