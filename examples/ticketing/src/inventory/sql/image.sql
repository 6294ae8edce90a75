-- Every seat of the session that an order holds or owns, in one statement: one snapshot of the database.
SELECT o.id, o.user_id AS buyer, true AS sold, s.position
FROM sold_seats s JOIN orders o ON o.id = s.order_id
WHERE s.session_id = $1
UNION ALL
SELECT o.id, o.user_id AS buyer, true AS sold, s.position
FROM archived_sold_seats s JOIN archived_orders o ON o.id = s.order_id
WHERE s.session_id = $1
UNION ALL
SELECT o.id, o.user_id AS buyer, false AS sold, s.position
FROM orders o JOIN order_seats s ON s.order_id = o.id
WHERE o.session_id = $1 AND o.state IN ('LOCKED', 'PAYING')
