-- Deletes the own hold, or leaves the queue, and wakes whoever is next.
-- KEYS: the lock, the queue, the waiters by time of death. ARGV: owner. Returns 1, or 0 if the owner did not hold it.
local lock, queue, alive = unpack(KEYS)
local me = ARGV[1]
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', alive, '-inf', now)) do
  redis.call('ZREM', queue, dead)
  redis.call('ZREM', alive, dead)
end
redis.call('ZREM', queue, me)
redis.call('ZREM', alive, me)
local value = redis.call('GET', lock)
local held = owner_of(value) == me
if held then
  redis.call('DEL', lock)
end
if held or not value then
  local head = redis.call('ZRANGE', queue, 0, 0)[1]
  if head then
    redis.call('PUBLISH', lock, head)
  elseif is_marked(value) then
    redis.call('PUBLISH', lock, 'free')
  end
end
return held and 1 or 0
