-- queue, by, limit
SELECT id, due_us FROM nebula_delay_life WHERE queue = ?1 AND due_us <= ?2 ORDER BY due_us LIMIT ?3
