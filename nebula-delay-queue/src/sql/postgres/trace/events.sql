-- array of {queue, id, at, event}
INSERT INTO nebula_delay_event (queue, id, at_us, event)
SELECT m.queue, m.id, m.at, m.event
FROM jsonb_to_recordset($1::jsonb) AS m (queue text, id text, at bigint, event text)
