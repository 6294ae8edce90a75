SELECT attendees.order_id, attendees.position, attendees.tenant_id, attendees.person_sealed, attendees.verified
FROM all_order_attendees AS attendees
WHERE (attendees.order_id > $1 OR (attendees.order_id = $1 AND attendees.position > $2))
  AND NOT EXISTS (SELECT 1 FROM attendee_grams AS g
                  WHERE g.order_id = attendees.order_id AND g.position = attendees.position)
ORDER BY attendees.order_id, attendees.position
LIMIT $3
