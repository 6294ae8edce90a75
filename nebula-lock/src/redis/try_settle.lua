-- Makes a token that a quorum proposes the token of the own hold, unless another hold may have one as great: then gives it a new one.
-- KEYS: the lock, the fence counter, the tokens of the readers. ARGV: owner, token.
-- Returns the token that the hold has then, or nothing if the owner does not hold the lock.
-- Every token is given to one hold alone: it was greater than the counter when it was given, which never falls.
local lock, counter, tokens = unpack(KEYS)
local me, token = ARGV[1], tonumber(ARGV[2])
local value = redis.call('GET', lock)
local holder, mine = owner_of(value), nil
if holder == me then
  mine = token_of(value)
elseif holder == READERS then
  mine = tonumber(redis.call('HGET', tokens, me) or nil)
end
if not mine or mine == token then
  return mine
end
token = mint(counter, token)
local text = string.format('%.0f', token)
if holder == me then
  redis.call('SET', lock, me .. ':' .. text .. (is_marked(value) and 'w' or ''), 'KEEPTTL')
else
  redis.call('HSET', tokens, me, text)
end
return token
