-- queue, twice. One index look-up per state.
SELECT min(at_ms) FROM (
    SELECT min(at_ms) AS at_ms FROM nebula_delay_ledger WHERE queue = ?1 AND state = 1
    UNION ALL
    SELECT min(at_ms) FROM nebula_delay_ledger WHERE queue = ?2 AND state = 2
) AS states
