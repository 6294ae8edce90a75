-- Takes a free lock, or starts the lease of the own hold anew.
-- KEYS: the lock, the fence counter. ARGV: owner, lease in milliseconds.
-- A lock is a text: 32 digits of the owner, ':', the fence token, and 'w' once somebody has found it held.
-- Returns {1, token}, or {0, milliseconds until the holder's lease ends}.
local value = redis.call('GET', KEYS[1])
if value then
  if string.sub(value, 33, 33) ~= ':' then
    return redis.error_reply('WRONGTYPE the key does not hold a lock')
  end
  if string.sub(value, 1, 32) == ARGV[1] then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return {1, tonumber(string.match(value, '^%d+', 34))}
  end
  if string.sub(value, -1) ~= 'w' then
    redis.call('APPEND', KEYS[1], 'w')
  end
  return {0, redis.call('PTTL', KEYS[1])}
end
-- The clock makes tokens greater than any that an emptied server has forgotten; the counter, than any that it gave
-- out before the clock was set back.
local time = redis.call('TIME')
local token = time[1] * 1000000 + time[2]
local last = tonumber(redis.call('GET', KEYS[2]) or 0) or 0
if token <= last then
  token = last + 1
end
local text = string.format('%.0f', token)
redis.call('SET', KEYS[2], text)
redis.call('SET', KEYS[1], ARGV[1] .. ':' .. text, 'PX', ARGV[2])
return {1, token}
