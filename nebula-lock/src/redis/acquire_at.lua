-- Takes a free lock under the proposed fence token, or starts the lease of the own hold anew.
-- KEYS: the lock, the fence counter. ARGV: owner, lease in milliseconds, the proposed token.
-- The token is the proposed one, or the successor of the last one here if that is greater. The clock that makes tokens
-- survive an emptied server is that of the node which proposed it. Returns as acquire.lua does.
local value = redis.call('GET', KEYS[1])
if value then
  if string.sub(value, 33, 33) ~= ':' then
    return redis.error_reply('WRONGTYPE the key does not hold a lock')
  end
  if string.sub(value, 1, 32) == ARGV[1] then
    -- An attempt that comes late must not cut what a renewal has added.
    if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then
      redis.call('PEXPIRE', KEYS[1], ARGV[2])
    end
    return {1, tonumber(string.match(value, '^%d+', 34))}
  end
  if string.sub(value, -1) ~= 'w' then
    redis.call('APPEND', KEYS[1], 'w')
  end
  return {0, redis.call('PTTL', KEYS[1])}
end
local token = tonumber(ARGV[3])
local last = tonumber(redis.call('GET', KEYS[2]) or 0) or 0
if token <= last then
  token = last + 1
end
local text = string.format('%.0f', token)
redis.call('SET', KEYS[2], text)
redis.call('SET', KEYS[1], ARGV[1] .. ':' .. text, 'PX', ARGV[2])
return {1, token}
