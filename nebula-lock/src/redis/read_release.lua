-- Removes the own reader; the last one frees the lock.
-- KEYS: the lock, the readers, their tokens. ARGV: owner. Returns 1, or 0 if it did not hold.
local lock, readers, tokens = unpack(KEYS)
local value = redis.call('GET', lock)
local till = redis.call('ZSCORE', readers, ARGV[1])
if owner_of(value) ~= READERS or not till then
  return 0
end
redis.call('ZREM', readers, ARGV[1])
redis.call('HDEL', tokens, ARGV[1])
local last = redis.call('ZREVRANGE', readers, 0, 0, 'WITHSCORES')[2]
if last and tonumber(last) > now then
  for _, key in ipairs(KEYS) do
    redis.call('PEXPIRE', key, tonumber(last) - now)
  end
else
  redis.call('DEL', lock, readers, tokens)
  if is_marked(value) then
    redis.call('PUBLISH', lock, 'free')
  end
end
return tonumber(till) > now and 1 or 0
