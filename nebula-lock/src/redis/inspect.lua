-- Shows a lock. KEYS: the lock, the waiters alive of the queue, the readers, their tokens, the waiting writers.
-- Returns nothing, or {owner, token, milliseconds until the lease ends, readers, waiters that are alive}.
local lock, alive, readers, tokens, writers = unpack(KEYS)
local value = redis.call('GET', lock)
if not value then
  return false
end
if not is_lock(value) then
  return redis.error_reply('WRONGTYPE the key does not hold a lock')
end
local waiting = redis.call('ZCOUNT', alive, '(' .. now, '+inf') + redis.call('ZCOUNT', writers, '(' .. now, '+inf')
local owner, token, sharing = owner_of(value), token_of(value), 0
if owner == READERS then
  owner = redis.call('ZREVRANGE', readers, 0, 0)[1]
  token = tonumber(redis.call('HGET', tokens, owner))
  sharing = redis.call('ZCOUNT', readers, '(' .. now, '+inf')
end
return {owner, token, redis.call('PTTL', lock), sharing, waiting}
