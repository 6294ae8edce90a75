SELECT count(*)
FROM pragma_index_list($1) AS list, pragma_index_info(list.name) AS part
WHERE part.seqno = 0 AND lower(part.name) = $2 AND NOT list.partial
