-- Deletes the own hold and wakes those who wait.
-- KEYS: the lock, whose name is also the channel. ARGV: owner. Returns 1, or 0 if the owner does not hold it.
local value = redis.call('GET', KEYS[1])
if not value or string.sub(value, 1, 33) ~= ARGV[1] .. ':' then
  return 0
end
redis.call('DEL', KEYS[1])
if string.sub(value, -1) == 'w' then
  redis.call('PUBLISH', KEYS[1], 'free')
end
return 1
