-- queue, now, since when what could be claimed is overdue
SELECT count(CASE WHEN m.at_ms <= p.now THEN 1 END),
       count(CASE WHEN m.at_ms > p.now AND m.token IS NULL THEN 1 END),
       count(CASE WHEN m.at_ms > p.now AND m.token IS NOT NULL THEN 1 END),
       count(m.died_ms),
       min(CASE WHEN m.at_ms <= p.now THEN m.at_ms END),
       count(CASE WHEN m.at_ms <= p.since THEN 1 END)
FROM (SELECT ? AS queue, cast(? AS SIGNED) AS now, cast(? AS SIGNED) AS since) AS p
JOIN nebula_delay_message AS m ON m.queue = p.queue
