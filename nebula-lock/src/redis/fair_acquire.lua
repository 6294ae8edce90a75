-- Takes the lock if it is free and nobody came before, or queues for it.
-- KEYS: the lock, the fence counter, the queue, the waiters alive, their brief leases. ARGV: owner, lease, and the time after which
-- waiters count as dead, in milliseconds.
-- Returns {1, token}, or {0, milliseconds until it should try again, the number of its place}.
local lock, counter, queue, alive, brief = unpack(KEYS)
local me, lease, window = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local value = redis.call('GET', lock)
if not is_lock(value) then
  return redis.error_reply('WRONGTYPE the key does not hold a lock')
end
prune(queue, alive, brief)
if owner_of(value) == me then
  leave(queue, alive, brief, me)
  prolong(lock, lease)
  return {1, token_of(value)}
end
local head = redis.call('ZRANGE', queue, 0, 0)[1]
if not value and (not head or head == me) then
  -- A write that the server refuses when its memory is full comes first.
  local token = mint(counter)
  leave(queue, alive, brief, me)
  redis.call('SET', lock, string.format('%s:%.0f', me, token), 'PX', lease)
  return {1, token}
end
local place = tonumber(redis.call('ZSCORE', queue, me) or nil)
if not place then
  local last = redis.call('ZREVRANGE', queue, 0, 0, 'WITHSCORES')[2]
  place = time[1] * 1000000 + time[2]
  if last and tonumber(last) >= place then
    place = tonumber(last) + 1
  end
  redis.call('ZADD', queue, string.format('%.0f', place), me)
end
redis.call('ZADD', alive, now + window, me)
redis.call('PEXPIRE', queue, window * 2)
redis.call('PEXPIRE', alive, window * 2)
if lease < window then
  redis.call('HSET', brief, me, lease)
  redis.call('PEXPIRE', brief, window * 2)
end
mark(lock, value)
return {0, rest_of(lock, window), place}
