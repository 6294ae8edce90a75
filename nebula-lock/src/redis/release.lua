-- Deletes the own hold and wakes those who wait.
-- KEYS: the lock, whose name is also the channel. ARGV: owner and ':'. Returns 1, or 0 if the owner does not hold it.
local lock = KEYS[1]
local value = redis.call('GET', lock)
if not value or string.sub(value, 1, 33) ~= ARGV[1] then
  return 0
end
redis.call('DEL', lock)
if string.sub(value, -1) == 'w' then
  redis.call('PUBLISH', lock, 'free')
end
return 1
