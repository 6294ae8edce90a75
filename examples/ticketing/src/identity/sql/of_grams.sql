-- Seats that have all of these grams; empty ones ask for nothing, and the first is never empty. The merchant is the wall's business.
SELECT attendees.order_id, attendees.position, attendees.person_sealed
FROM attendee_grams AS first_gram
JOIN all_order_attendees AS attendees
  ON attendees.order_id = first_gram.order_id AND attendees.position = first_gram.position
WHERE first_gram.gram = $1
  AND ($2 = '' OR EXISTS (SELECT 1 FROM attendee_grams AS g WHERE g.gram = $2 AND g.order_id = first_gram.order_id AND g.position = first_gram.position))
  AND ($3 = '' OR EXISTS (SELECT 1 FROM attendee_grams AS g WHERE g.gram = $3 AND g.order_id = first_gram.order_id AND g.position = first_gram.position))
  AND ($4 = '' OR EXISTS (SELECT 1 FROM attendee_grams AS g WHERE g.gram = $4 AND g.order_id = first_gram.order_id AND g.position = first_gram.position))
  AND ($5 = '' OR EXISTS (SELECT 1 FROM attendee_grams AS g WHERE g.gram = $5 AND g.order_id = first_gram.order_id AND g.position = first_gram.position))
  AND ($6 = '' OR EXISTS (SELECT 1 FROM attendee_grams AS g WHERE g.gram = $6 AND g.order_id = first_gram.order_id AND g.position = first_gram.position))
ORDER BY attendees.order_id DESC, attendees.position
LIMIT $7
