INSERT INTO order_attendees (order_id, position, tenant_id, identity_index, name_index, number_index, person_sealed, verified, has_grams)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1)
