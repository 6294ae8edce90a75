-- Begins every script but the four for exclusive locks, which are the hot ones and stand alone.
local READERS = string.rep('0', 32)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- A fence token, see acquire.lua and acquire_at.lua.
local function mint(counter, proposal)
  local token = tonumber(proposal) or time[1] * 1000000 + time[2]
  local last = tonumber(redis.call('GET', counter) or 0) or 0
  if token <= last then
    token = last + 1
  end
  redis.call('SET', counter, string.format('%.0f', token))
  return token
end

-- The owner in the lock, or nothing if it is free. While readers share it, the owner is READERS.
local function owner_of(value)
  return value and string.sub(value, 1, 32)
end

local function token_of(value)
  return tonumber(string.match(value, '^%d+', 34))
end

local function is_lock(value)
  return not value or string.sub(value, 33, 33) == ':'
end

-- Starts the own lease anew. An attempt that comes late does not cut what a renewal has added.
local function prolong(key, lease)
  if redis.call('PTTL', key) < tonumber(lease) then
    redis.call('PEXPIRE', key, lease)
  end
end

-- Notes in the lock that somebody waits, so that its release is announced.
local function mark(key, value)
  if value and string.sub(value, -1) ~= 'w' then
    redis.call('APPEND', key, 'w')
  end
end

local function is_marked(value)
  return value and string.sub(value, -1) == 'w'
end

-- How long a waiter should wait at most: until the lease ends, and so that it is heard of thrice in its time.
local function rest_of(key, window)
  local rest = redis.call('PTTL', key)
  local third = math.floor(window / 3)
  if rest < 0 or rest > third then
    return third
  end
  return rest
end
