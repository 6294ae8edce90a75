-- Joins the readers, unless a writer holds the lock or waits for it. A writer that asks becomes a reader.
-- KEYS: the lock, the fence counter, the readers by the end of their leases, their fence tokens, the waiting writers by
-- the time at which they count as dead. ARGV: owner, lease, that time for waiters, in milliseconds, and the token that
-- a quorum proposes, if one does.
-- Returns as acquire.lua does.
local lock, counter, readers, tokens, writers = unpack(KEYS)
local me, lease, window = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local value = redis.call('GET', lock)
if not is_lock(value) then
  return redis.error_reply('WRONGTYPE the key does not hold a lock')
end
local holder = owner_of(value)
local waits = is_marked(value)
local token
if holder == me then
  token = token_of(value)
  -- Readers that wait for the writer can come in now.
  if waits then
    redis.call('PUBLISH', lock, 'free')
    waits = false
  end
elseif holder and holder ~= READERS then
  mark(lock, value)
  return {0, rest_of(lock, window)}
end
if holder == READERS then
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', readers, '-inf', now)) do
    redis.call('ZREM', readers, gone)
    redis.call('HDEL', tokens, gone)
  end
  token = tonumber(redis.call('HGET', tokens, me) or nil)
end
if not token then
  if redis.call('ZCOUNT', writers, '(' .. now, '+inf') > 0 then
    mark(lock, value)
    return {0, math.floor(window / 3)}
  end
  -- A write that the server refuses when its memory is full comes first.
  token = mint(counter, ARGV[4])
end
if holder ~= READERS then
  redis.call('DEL', readers, tokens)
end
-- An attempt that comes late does not cut what a renewal has added.
local known = tonumber(redis.call('ZSCORE', readers, me) or 0)
if holder == me then
  known = now + redis.call('PTTL', lock)
end
redis.call('ZADD', readers, math.max(known, now + lease), me)
redis.call('HSET', tokens, me, string.format('%.0f', token))
local last = tonumber(redis.call('ZREVRANGE', readers, 0, 0, 'WITHSCORES')[2])
redis.call('SET', lock, string.format('%s:%.0f%s', READERS, token, waits and 'w' or ''), 'PX', last - now)
redis.call('PEXPIRE', readers, last - now)
redis.call('PEXPIRE', tokens, last - now)
return {1, token}
