-- $1 plan, $2 position of the first seat, $3 JSON array of seats. One statement carries thousands of seats.
INSERT INTO plan_seats (plan_id, position, guid, zone, row, number, category, x, y, radius, standing)
SELECT $1,
       $2 + seat.key - 1,
       seat.value ->> 'guid',
       seat.value ->> 'zone',
       seat.value ->> 'row',
       seat.value ->> 'number',
       seat.value ->> 'category',
       (seat.value ->> 'x')::double precision,
       (seat.value ->> 'y')::double precision,
       (seat.value ->> 'r')::double precision,
       CASE WHEN (seat.value ->> 'standing')::boolean THEN 1 ELSE 0 END
FROM jsonb_array_elements($3::jsonb) WITH ORDINALITY AS seat (value, key)
