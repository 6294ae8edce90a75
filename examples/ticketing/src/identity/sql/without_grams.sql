SELECT order_id, position, tenant_id, person_sealed, verified FROM all_order_attendees
WHERE has_grams = 0
ORDER BY order_id, position LIMIT $1
