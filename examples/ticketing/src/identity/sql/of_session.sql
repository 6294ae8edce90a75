SELECT attendees.order_id, attendees.position, attendees.tenant_id, attendees.person_sealed, attendees.verified
FROM all_order_attendees AS attendees
JOIN all_tickets AS tickets ON tickets.order_id = attendees.order_id AND tickets.position = attendees.position
WHERE tickets.session_id = $1
