-- array of {queue, id, at, event}
INSERT INTO nebula_delay_event (queue, id, at_us, event)
SELECT m.value ->> '$.queue', m.value ->> '$.id', m.value ->> '$.at', m.value ->> '$.event' FROM json_each(?1) AS m
