-- queue, id, token
DELETE FROM nebula_delay_mark WHERE queue = ?1 AND id = ?2 AND token = ?3
