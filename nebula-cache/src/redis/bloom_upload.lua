-- Puts bits aside. KEYS: bits put aside. ARGV: offset in bytes, bits, ms until they vanish.
redis.call('SETRANGE', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 0
