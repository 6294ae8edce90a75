SELECT name, 0 FROM pragma_table_info($1) ORDER BY cid
