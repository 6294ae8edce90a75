-- holder
SELECT seq,
       convert(id USING utf8mb4) AS id,
       convert(template USING utf8mb4) AS template,
       convert(holder USING utf8mb4) AS holder,
       convert(order_ref USING utf8mb4) AS order_ref,
       convert(given_back USING utf8mb4) AS given_back,
       claimed_ms,
       from_ms,
       until_ms
FROM nebula_rules_coupon WHERE holder = ? ORDER BY seq
