-- Starts the lease of the own reader anew; those of others stay as they are.
-- KEYS: the lock, the readers, their tokens. ARGV: owner, lease in milliseconds. Returns 1, or 0 if it does not hold.
local lock, readers, tokens = unpack(KEYS)
local value = redis.call('GET', lock)
local till = redis.call('ZSCORE', readers, ARGV[1])
if owner_of(value) ~= READERS or not till or tonumber(till) <= now then
  return 0
end
redis.call('ZADD', readers, now + ARGV[2], ARGV[1])
local last = tonumber(redis.call('ZREVRANGE', readers, 0, 0, 'WITHSCORES')[2])
for _, key in ipairs(KEYS) do
  redis.call('PEXPIRE', key, last - now)
end
return 1
