-- Takes the lock if it is free and nobody came before, or queues for it.
-- KEYS: the lock, the fence counter, the queue (waiters by arrival), the waiters by the time at which they count as
-- dead unless they are heard of again. ARGV: owner, lease, and that time for waiters, in milliseconds.
-- Returns as acquire.lua does.
local lock, counter, queue, alive = unpack(KEYS)
local me, lease, window = ARGV[1], ARGV[2], tonumber(ARGV[3])
local value = redis.call('GET', lock)
if not is_lock(value) then
  return redis.error_reply('WRONGTYPE the key does not hold a lock')
end
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', alive, '-inf', now)) do
  redis.call('ZREM', queue, dead)
  redis.call('ZREM', alive, dead)
end
local function leave()
  redis.call('ZREM', queue, me)
  redis.call('ZREM', alive, me)
end
if owner_of(value) == me then
  leave()
  prolong(lock, lease)
  return {1, token_of(value)}
end
local head = redis.call('ZRANGE', queue, 0, 0)[1]
if not value and (not head or head == me) then
  -- A write that the server refuses when its memory is full comes first.
  local token = mint(counter)
  leave()
  redis.call('SET', lock, string.format('%s:%.0f', me, token), 'PX', lease)
  return {1, token}
end
if not redis.call('ZSCORE', queue, me) then
  local last = redis.call('ZREVRANGE', queue, 0, 0, 'WITHSCORES')[2]
  local place = time[1] * 1000000 + time[2]
  if last and tonumber(last) >= place then
    place = tonumber(last) + 1
  end
  redis.call('ZADD', queue, string.format('%.0f', place), me)
end
redis.call('ZADD', alive, now + window, me)
redis.call('PEXPIRE', queue, window * 2)
redis.call('PEXPIRE', alive, window * 2)
mark(lock, value)
return {0, rest_of(lock, window)}
