-- array of {queue, id, seen, says (0 for nothing), due}. Only what is later says anything new.
-- In the order of names: two batches with the same ones wait for each other, and not both for ever.
INSERT INTO nebula_delay_life AS l (queue, id, seen_us, says_us, due_us)
SELECT m.queue, m.id, m.seen, m.says, m.due
FROM jsonb_to_recordset($1::jsonb) AS m (queue text, id text, seen bigint, says bigint, due bigint)
ORDER BY m.queue, m.id
ON CONFLICT (queue, id) DO UPDATE SET
    due_us = CASE WHEN excluded.says_us >= l.says_us THEN excluded.due_us ELSE l.due_us END,
    says_us = greatest(l.says_us, excluded.says_us),
    seen_us = greatest(l.seen_us, excluded.seen_us)
