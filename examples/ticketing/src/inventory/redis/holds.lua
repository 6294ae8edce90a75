-- Unsold orders whose hold is at least `age` milliseconds old, oldest first.
-- ARGV: run, age, orders at most
if not is_loaded(KEYS, ARGV[1]) then return {} end
return redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', whole(now() - tonumber(ARGV[2])), 'LIMIT', 0, ARGV[3])
