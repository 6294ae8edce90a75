SELECT state, count(*) AS orders, CAST(sum(minor) AS BIGINT) AS minor
FROM orders
WHERE session_id = $1
GROUP BY state
