SELECT id FROM sessions WHERE sale_opens_at <= $1 AND sale_closes_at + 2 * hold_ms + 60000 > $1
