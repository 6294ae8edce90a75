SELECT DISTINCT convert(queue USING utf8mb4) AS queue FROM nebula_delay_life ORDER BY queue
