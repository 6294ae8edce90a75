-- Takes a free lock for writing, or bars new readers while waiting for it.
-- KEYS: the lock, the fence counter, the waiting writers by the time at which they count as dead.
-- ARGV: owner, lease, that time for waiters, in milliseconds, and the token that a quorum proposes, if one does.
-- Returns as acquire.lua does.
local lock, counter, writers = unpack(KEYS)
local me, lease, window = ARGV[1], ARGV[2], tonumber(ARGV[3])
local value = redis.call('GET', lock)
if not is_lock(value) then
  return redis.error_reply('WRONGTYPE the key does not hold a lock')
end
if owner_of(value) == me then
  redis.call('ZREM', writers, me)
  prolong(lock, lease)
  return {1, token_of(value)}
end
if not value then
  -- A write that the server refuses when its memory is full comes first.
  local token = mint(counter, ARGV[4])
  -- Readers that found the lock free, and this writer ahead of them, had no lock in which to note that they wait.
  local waited = redis.call('ZREM', writers, me) == 1
  redis.call('SET', lock, string.format('%s:%.0f%s', me, token, waited and 'w' or ''), 'PX', lease)
  return {1, token}
end
redis.call('ZADD', writers, now + window, me)
redis.call('PEXPIRE', writers, window)
mark(lock, value)
return {0, rest_of(lock, window)}
