-- Those that the authority has said nothing of, in orders that it may still change.
SELECT attendees.order_id, attendees.position, attendees.tenant_id, attendees.person_sealed, attendees.verified
FROM order_attendees AS attendees
JOIN orders ON orders.id = attendees.order_id
WHERE attendees.verified = 'later' AND orders.state IN ('LOCKED', 'PAYING', 'PAID', 'ISSUED')
  AND (attendees.order_id > $1 OR (attendees.order_id = $1 AND attendees.position > $2))
ORDER BY attendees.order_id, attendees.position
LIMIT $3
