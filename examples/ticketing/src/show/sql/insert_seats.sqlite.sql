-- $1 plan, $2 position of the first seat, $3 JSON array of seats. One statement carries thousands of seats.
INSERT INTO plan_seats (plan_id, position, guid, zone, row, number, category, x, y, radius, standing)
SELECT $1,
       $2 + seat.key,
       seat.value ->> 'guid',
       seat.value ->> 'zone',
       seat.value ->> 'row',
       seat.value ->> 'number',
       seat.value ->> 'category',
       seat.value ->> 'x',
       seat.value ->> 'y',
       seat.value ->> 'r',
       coalesce(seat.value ->> 'standing', 0)
FROM json_each($3) AS seat
