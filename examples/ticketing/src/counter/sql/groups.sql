SELECT clerk_id, currency, method, channel, kind, commission_bp, count(*) AS entries, CAST(sum(minor) AS BIGINT) AS minor
FROM till_entries
WHERE day = $1
GROUP BY clerk_id, currency, method, channel, kind, commission_bp
