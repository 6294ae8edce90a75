-- queue, by, limit
SELECT convert(id USING utf8mb4) AS id, due_us FROM nebula_delay_life WHERE queue = ? AND due_us <= ? ORDER BY due_us LIMIT ?
