SELECT DISTINCT queue FROM nebula_delay_life ORDER BY queue
