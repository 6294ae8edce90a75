-- now, four times, since when what could be handed out is overdue, queue
SELECT count(CASE WHEN state IN (1, 2) AND at_ms <= ? THEN 1 END),
       count(CASE WHEN state = 1 AND at_ms > ? THEN 1 END),
       count(CASE WHEN state = 2 AND at_ms > ? THEN 1 END),
       count(CASE WHEN state = 3 THEN 1 END),
       min(CASE WHEN state IN (1, 2) AND at_ms <= ? THEN at_ms END),
       count(CASE WHEN state IN (1, 2) AND at_ms <= ? THEN 1 END)
FROM nebula_delay_ledger
WHERE queue = ? AND state IN (1, 2, 3)
