-- queue, id, now, due
UPDATE nebula_delay_message AS m
JOIN (SELECT ? AS queue, ? AS id, cast(? AS SIGNED) AS now, cast(? AS SIGNED) AS due) AS p ON m.queue = p.queue AND m.id = p.id
SET m.due_ms = p.due, m.at_ms = p.due, m.token = NULL
WHERE m.at_ms IS NOT NULL AND (m.token IS NULL OR m.at_ms <= p.now)
