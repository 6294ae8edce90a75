-- Deletes the own hold, or stops waiting and barring readers.
-- KEYS: the lock, the waiting writers. ARGV: owner. Returns 1, or 0 if the owner did not hold it.
local lock, writers = unpack(KEYS)
local value = redis.call('GET', lock)
local held = owner_of(value) == ARGV[1]
local waited = redis.call('ZREM', writers, ARGV[1]) == 1
if held then
  redis.call('DEL', lock)
end
-- Readers wait behind a waiting writer even where the lock is free or shared.
if (held and is_marked(value)) or (waited and not held) then
  redis.call('PUBLISH', lock, 'free')
end
return held and 1 or 0
