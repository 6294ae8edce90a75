SELECT attnotnull::int::bigint FROM pg_attribute
WHERE attrelid = to_regclass(quote_ident($1)) AND attname = $2 AND NOT attisdropped
