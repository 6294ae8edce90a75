SELECT
    EXISTS (
        SELECT 1 FROM pg_attribute
        WHERE attrelid = c.oid AND attname = $2 AND attnotnull AND NOT attisdropped
    ) AS has_column,
    c.relrowsecurity AND c.relforcerowsecurity AS forced,
    COALESCE((SELECT array_agg(polname::text) = ARRAY['nebula_tenant'] FROM pg_policy WHERE polrelid = c.oid), false)
        AS only_ours,
    NOT pg_has_role(current_user, c.relowner, 'USAGE') AS of_another
FROM pg_class c
WHERE c.oid = to_regclass(quote_ident($1))
