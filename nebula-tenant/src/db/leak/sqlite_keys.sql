SELECT 'foreign key ' || id, "table", MAX(lower("from") = $2 AND lower(COALESCE("to", '')) = $2)
FROM pragma_foreign_key_list($1) GROUP BY id, "table"
