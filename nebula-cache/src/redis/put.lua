-- Stores a value and ends the lease. KEYS: value, lease. ARGV: value, ttl in ms.
redis.call('DEL', KEYS[2])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 0
