SELECT CAST(is_nullable = 'NO' AS SIGNED) FROM information_schema.columns
WHERE table_schema = DATABASE() AND table_name = ? AND column_name = ?
