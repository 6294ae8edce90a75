-- Carries out several releases, then several acquisitions, each as release.lua and acquire.lua do.
-- KEYS: the locks to release, the locks to acquire, their fence counters (none for locks without tokens). ARGV: the
-- number of releases and of acquisitions, the lease of all acquisitions, the owners who release, those who acquire, and
-- the lease of each if they differ.
-- Returns the replies in the same order; an error is a list of one text.
local call, pcall, sub = redis.call, redis.pcall, string.sub
local releases, acquisitions, lease = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local replies = {}
if releases > 0 then
  local values = call('MGET', unpack(KEYS, 1, releases))
  local freed, count = {}, 0
  for i = 1, releases do
    local value = values[i]
    if value and sub(value, 1, 33) == ARGV[i + 3] then
      count = count + 1
      freed[count] = KEYS[i]
      replies[i] = 1
    else
      replies[i] = 0
    end
  end
  -- Of two releases of one hold, the second finds nothing.
  if count > 0 and call('DEL', unpack(freed)) < count then
    local seen = {}
    for i = 1, releases do
      if replies[i] == 1 then
        replies[i] = seen[KEYS[i]] and 0 or 1
        seen[KEYS[i]] = true
      end
    end
  end
  for i = 1, releases do
    if replies[i] == 1 and sub(values[i], -1) == 'w' then
      -- The release stands, whether or not this user may publish.
      pcall('PUBLISH', KEYS[i], 'free')
    end
  end
end
if acquisitions == 0 then
  return replies
end
local both = releases + acquisitions
local token, broken = '0', {}
if #KEYS > both then
  -- One token for all: the clock, or the successor of the greatest among the counters. Each key's tokens increase.
  local time = call('TIME')
  token = time[2]
  if #token < 6 then
    token = string.rep('0', 6 - #token) .. token
  end
  token = time[1] .. token
  local lasts = call('MGET', unpack(KEYS, both + 1))
  local settings = {}
  local count = 0
  for i = 1, acquisitions do
    local last = lasts[i]
    -- MGET shows nothing of what is no text, and MSET would overwrite it.
    if not last and call('TYPE', KEYS[both + i]).ok ~= 'none' then
      broken[releases + i] = {err = 'WRONGTYPE the fence counter holds something else'}
    else
      count = count + 1
      settings[2 * count - 1] = KEYS[both + i]
    end
    if last and (last >= token or #last ~= #token) and (tonumber(last) or 0) >= tonumber(token) then
      token = string.format('%.0f', last + 1)
    end
  end
  for i = 1, count do
    settings[2 * i] = token
  end
  local set = count > 0 and pcall('MSET', unpack(settings))
  if set and set.err then
    for i = releases + 1, both do
      replies[i] = {set.err}
    end
    return replies
  end
end
local own = #ARGV > both + 3
for i = releases + 1, both do
  local lock, owner = KEYS[i], ARGV[i + 3]
  if own then
    lease = ARGV[i + 3 + acquisitions]
  end
  local set = broken[i] or pcall('SET', lock, owner .. token, 'NX', 'PX', lease)
  if not set then
    local value = pcall('GET', lock)
    if type(value) == 'table' then
      replies[i] = {value.err}
    elseif sub(value, 33, 33) ~= ':' then
      replies[i] = {'WRONGTYPE the key does not hold a lock'}
    elseif sub(value, 1, 33) == owner then
      if call('PTTL', lock) < tonumber(lease) then
        call('PEXPIRE', lock, lease)
      end
      replies[i] = string.match(value, '^%d+', 34)
    else
      if sub(value, -1) ~= 'w' then
        pcall('APPEND', lock, 'w')
      end
      replies[i] = call('PTTL', lock)
    end
  elseif set.err then
    replies[i] = {set.err}
  else
    replies[i] = token
  end
end
return replies
