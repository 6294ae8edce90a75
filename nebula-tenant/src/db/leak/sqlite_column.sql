SELECT CAST("notnull" OR pk > 0 AS INTEGER) FROM pragma_table_info($1) WHERE lower(name) = $2
