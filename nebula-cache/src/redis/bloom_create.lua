-- Makes an empty shard of a generation. KEYS: shard, what is put aside for it. ARGV: its last bit, ms until both vanish.
redis.call('UNLINK', KEYS[1], KEYS[2])
redis.call('SETBIT', KEYS[1], ARGV[1], 0)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 0
