SELECT CASE WHEN current_setting('transaction_read_only')::boolean THEN NULL
       ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint END
