-- Starts the lease of the own hold anew.
-- KEYS: the lock. ARGV: owner and ':', lease in milliseconds. Returns 1, or 0 if the owner does not hold it.
local value = redis.call('GET', KEYS[1])
if not value or string.sub(value, 1, 33) ~= ARGV[1] then
  return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
