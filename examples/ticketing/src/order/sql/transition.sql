UPDATE orders SET state = $1, updated_at = $2, version = version + 1
WHERE id = $3 AND state = $4
RETURNING version
