-- id. Takes the template's row, so that claims of one template come one after another.
UPDATE nebula_rules_coupon_template SET claimed = claimed + 1
WHERE id = ? AND (total IS NULL OR claimed < total)
