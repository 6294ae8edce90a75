SELECT CAST(coalesce(sum(CASE WHEN kind = 'SALE' THEN minor ELSE -minor END), 0) AS BIGINT)
FROM till_entries
WHERE tenant_id = $1 AND clerk_id = $2 AND day = $3 AND currency = $4 AND method = 'cash'
