-- $1 queue, $2 now, $3 since when what could be claimed is overdue
SELECT count(*) FILTER (WHERE at_ms <= $2),
       count(*) FILTER (WHERE at_ms > $2 AND token IS NULL),
       count(*) FILTER (WHERE at_ms > $2 AND token IS NOT NULL),
       count(*) FILTER (WHERE died_ms IS NOT NULL),
       min(at_ms) FILTER (WHERE at_ms <= $2),
       count(*) FILTER (WHERE at_ms <= $3)
FROM nebula_delay_message
WHERE queue = $1
