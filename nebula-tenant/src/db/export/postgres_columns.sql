SELECT attname::text, (atttypid = 'bytea'::regtype)::int::bigint FROM pg_attribute
WHERE attrelid = to_regclass(quote_ident($1)) AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
