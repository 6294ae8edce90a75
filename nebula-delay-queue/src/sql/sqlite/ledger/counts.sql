-- now, four times, since when what could be handed out is overdue, queue
SELECT count(CASE WHEN state IN (1, 2) AND at_ms <= ?1 THEN 1 END),
       count(CASE WHEN state = 1 AND at_ms > ?2 THEN 1 END),
       count(CASE WHEN state = 2 AND at_ms > ?3 THEN 1 END),
       count(CASE WHEN state = 3 THEN 1 END),
       min(CASE WHEN state IN (1, 2) AND at_ms <= ?4 THEN at_ms END),
       count(CASE WHEN state IN (1, 2) AND at_ms <= ?5 THEN 1 END)
FROM nebula_delay_ledger
WHERE queue = ?6 AND state IN (1, 2, 3)
