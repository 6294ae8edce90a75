WITH k AS (
    SELECT constraint_name, referenced_table_name, column_name, referenced_column_name
    FROM information_schema.key_column_usage
    WHERE table_schema = DATABASE() AND table_name = ? AND referenced_table_name IS NOT NULL
)
SELECT CAST(constraint_name AS CHAR), CAST(referenced_table_name AS CHAR),
    CAST(MAX(column_name = ? AND referenced_column_name = column_name) AS SIGNED)
FROM k GROUP BY constraint_name, referenced_table_name
