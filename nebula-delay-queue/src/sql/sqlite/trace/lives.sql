-- array of {queue, id, seen, says (0 for nothing), due}. Only what is later says anything new.
INSERT INTO nebula_delay_life AS l (queue, id, seen_us, says_us, due_us)
SELECT m.value ->> '$.queue', m.value ->> '$.id', m.value ->> '$.seen', m.value ->> '$.says', m.value ->> '$.due'
FROM json_each(?1) AS m
WHERE true
ON CONFLICT (queue, id) DO UPDATE SET
    due_us = CASE WHEN excluded.says_us >= l.says_us THEN excluded.due_us ELSE l.due_us END,
    says_us = max(l.says_us, excluded.says_us),
    seen_us = max(l.seen_us, excluded.seen_us)
