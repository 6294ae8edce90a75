-- Deletes the own hold, or leaves the queue, and hands a free lock over to whoever is next.
-- KEYS: the lock, the fence counter, the queue, the waiters alive, their brief leases. ARGV: owner.
-- Returns 1, or 0 if the owner did not hold it.
-- The next one holds the lock until it would have counted as dead, and is told "owner place token" on the channel of the lock: if it
-- lives it renews in time, and if it has died it is in nobody's way for longer than it would have been in the queue.
local lock, counter, queue, alive, brief = unpack(KEYS)
local me = ARGV[1]
prune(queue, alive, brief)
local value = redis.call('GET', lock)
local held = owner_of(value) == me
leave(queue, alive, brief, me)
if value and not held then
  return 0
end
local head, place = unpack(redis.call('ZRANGE', queue, 0, 0, 'WITHSCORES'))
if not head then
  if held then
    redis.call('DEL', lock)
  end
  if is_marked(value) then
    redis.call('PUBLISH', lock, 'free')
  end
  return held and 1 or 0
end
local rest = tonumber(redis.call('ZSCORE', alive, head) or now) - now
local lease = tonumber(redis.call('HGET', brief, head) or rest)
local minted, token = pcall(mint, counter)
if not minted then
  -- The release stands, whatever the server refuses.
  if held then
    redis.call('DEL', lock)
  end
  redis.call('PUBLISH', lock, 'free')
  return held and 1 or 0
end
local text = string.format('%s:%.0f%s', head, token, is_marked(value) and 'w' or '')
redis.call('SET', lock, text, 'PX', math.max(math.min(rest, lease), 1))
leave(queue, alive, brief, head)
redis.call('PUBLISH', lock, string.format('%s %.0f %.0f', head, tonumber(place), token))
return held and 1 or 0
