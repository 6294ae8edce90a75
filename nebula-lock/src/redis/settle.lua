-- Makes a token that a quorum has agreed on the token of the own hold, and all later ones greater.
-- KEYS: the lock, the fence counter, the tokens of the readers. ARGV: owner, token.
-- Returns 1, or 0 if the owner does not hold the lock.
local lock, counter, tokens = unpack(KEYS)
local me, token = ARGV[1], ARGV[2]
local last = tonumber(redis.call('GET', counter) or 0) or 0
if last < tonumber(token) then
  redis.call('SET', counter, token)
end
local value = redis.call('GET', lock)
if owner_of(value) == me then
  redis.call('SET', lock, me .. ':' .. token .. (is_marked(value) and 'w' or ''), 'KEEPTTL')
  return 1
end
if owner_of(value) == READERS and redis.call('HEXISTS', tokens, me) == 1 then
  redis.call('HSET', tokens, me, token)
  return 1
end
return 0
