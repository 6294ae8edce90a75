SELECT k.conname::text, f.relname::text, EXISTS (
    SELECT 1 FROM generate_subscripts(k.conkey, 1) AS place
    JOIN pg_attribute here ON here.attrelid = k.conrelid AND here.attnum = k.conkey[place]
    JOIN pg_attribute there ON there.attrelid = k.confrelid AND there.attnum = k.confkey[place]
    WHERE here.attname = $2 AND there.attname = $2
)::int::bigint
FROM pg_constraint k JOIN pg_class f ON f.oid = k.confrelid
WHERE k.contype = 'f' AND k.conrelid = to_regclass(quote_ident($1))
