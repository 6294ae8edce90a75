-- Takes a free lock, or starts the lease of the own hold anew.
-- KEYS: the lock, the fence counter. ARGV: owner and ':', lease in milliseconds; for a lock without tokens also what
-- stands in the place of one, and no counter then.
-- A lock is a text: 32 digits of the owner, ':', the fence token, and 'w' once somebody has found it held.
-- Returns the token as text, or as a number the milliseconds until the holder's lease ends.
local call = redis.call
local lock, owner = KEYS[1], ARGV[1]
local token = ARGV[3]
if not token then
  -- The clock makes tokens greater than any that an emptied server has forgotten; the counter, than any that it gave
  -- out before the clock was set back. Tokens are put together as text, which is faster than as numbers.
  local time = call('TIME')
  token = time[2]
  if #token < 6 then
    token = string.rep('0', 6 - #token) .. token
  end
  token = time[1] .. token
end
if call('SET', lock, owner .. token, 'NX', 'PX', ARGV[2]) then
  if ARGV[3] then
    return token
  end
  local last = redis.pcall('SET', KEYS[2], token, 'GET')
  if type(last) == 'table' then
    call('DEL', lock)
    return last
  end
  if last and (last >= token or #last ~= #token) and (tonumber(last) or 0) >= tonumber(token) then
    token = string.format('%.0f', last + 1)
    call('SET', KEYS[2], token)
    call('SET', lock, owner .. token, 'PX', ARGV[2])
  end
  return token
end
local value = call('GET', lock)
if string.sub(value, 33, 33) ~= ':' then
  return redis.error_reply('WRONGTYPE the key does not hold a lock')
end
if string.sub(value, 1, 33) == owner then
  -- An attempt that comes late must not cut what a renewal has added.
  if call('PTTL', lock) < tonumber(ARGV[2]) then
    call('PEXPIRE', lock, ARGV[2])
  end
  return string.match(value, '^%d+', 34)
end
if string.sub(value, -1) ~= 'w' then
  call('APPEND', lock, 'w')
end
return call('PTTL', lock)
