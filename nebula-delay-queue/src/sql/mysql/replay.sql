-- queue, id, now
UPDATE nebula_delay_message AS m
JOIN (SELECT ? AS queue, ? AS id, cast(? AS SIGNED) AS now) AS p ON m.queue = p.queue AND m.id = p.id
SET m.at_ms = p.now, m.due_ms = p.now, m.attempts = 0, m.last_error = NULL, m.died_ms = NULL, m.reason = NULL
WHERE m.died_ms IS NOT NULL
