-- One visit of many to the waiting room of a session. All keys are in one slot.
--
-- KEYS[1] book    hash: `salt`, `coming` (who came after the opening), `admitted`, `p<slot>` (let in per 10 s)
-- KEYS[2] line    sorted set: user -> place; below 1 for those who came before the opening, by chance
-- KEYS[3] seen    sorted set: user in the line -> last sign of life
-- KEYS[4] inside  sorted set: user -> until when
-- KEYS[5] untold  set: users inside who have not asked since they were let in
-- ARGV: errand, salt, opens_at, admitted, stay, grace, users...
-- Reply: waiting, inside, pace, new in the line, let in by this call, then two numbers for each user: 0 away, 1 waiting + ahead, 2 inside + milliseconds left
local book, line, seen, inside, untold = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local errand, opens, most = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])
local stay, grace = tonumber(ARGV[5]), tonumber(ARGV[6])
local FIRST, LIMIT, DAY = 7, 1000, 86400000
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- Lua writes large numbers with an exponent, which is no number to the server.
local function whole(n) return string.format('%.0f', n) end

-- Who was not heard of, or whose time is over, goes; very many at once go by and by.
local gone = redis.call('ZRANGEBYSCORE', seen, '-inf', whole(now - grace), 'LIMIT', 0, LIMIT)
for _, user in ipairs(gone) do
  redis.call('ZREM', seen, user)
  redis.call('ZREM', line, user)
end
local over = redis.call('ZRANGEBYSCORE', inside, '-inf', whole(now), 'LIMIT', 0, LIMIT)
for _, user in ipairs(over) do
  redis.call('ZREM', inside, user)
  redis.call('SREM', untold, user)
end

local queued, let_in = 0, 0
if errand == 'join' then
  redis.call('HSETNX', book, 'salt', ARGV[2])
  local salt
  for i = FIRST, #ARGV do
    local user = ARGV[i]
    if not redis.call('ZSCORE', inside, user) then
      if not redis.call('ZSCORE', line, user) then
        local place
        if now < opens then
          -- The same for whoever comes again, and foreseen by nobody.
          salt = salt or redis.call('HGET', book, 'salt')
          local chance = tonumber(string.sub(redis.sha1hex(salt .. user), 1, 13), 16) / 4503599627370496
          place = string.format('%.17f', chance)
        else
          place = whole(redis.call('HINCRBY', book, 'coming', 1))
        end
        redis.call('ZADD', line, place, user)
        queued = queued + 1
      end
      redis.call('ZADD', seen, whole(now), user)
    end
  end
elseif errand == 'leave' then
  for i = FIRST, #ARGV do
    local user = ARGV[i]
    redis.call('ZREM', line, user)
    redis.call('ZREM', seen, user)
    redis.call('ZREM', inside, user)
    redis.call('SREM', untold, user)
  end
end

local slot = math.floor(now / 10000)
if now >= opens then
  local free = math.min(most - redis.call('ZCARD', inside), LIMIT)
  if free > 0 then
    local next = redis.call('ZPOPMIN', line, free)
    local count = #next / 2
    for i = 1, #next, 2 do
      redis.call('ZREM', seen, next[i])
      redis.call('ZADD', inside, whole(now + grace), next[i])
      redis.call('SADD', untold, next[i])
    end
    let_in = count
    if count > 0 then
      local total = redis.call('HINCRBY', book, 'admitted', count)
      -- Those who fill the empty room say nothing about how fast it empties.
      local beyond = math.min(count, total - most)
      if beyond > 0 then
        redis.call('HINCRBY', book, 'p' .. whole(slot), beyond)
        for old = slot - 30, slot - 7 do redis.call('HDEL', book, 'p' .. whole(old)) end
      end
    end
  end
end

local pace = 0
for recent = slot - 5, slot do
  pace = pace + tonumber(redis.call('HGET', book, 'p' .. whole(recent)) or 0)
end
local reply = { redis.call('ZCARD', line), 0, pace, queued, let_in }
for i = FIRST, #ARGV do
  local user = ARGV[i]
  local until_ = redis.call('ZSCORE', inside, user)
  if until_ then
    local last = tonumber(until_)
    if errand == 'join' and redis.call('SREM', untold, user) == 1 then
      last = now + stay
      redis.call('ZADD', inside, whole(last), user)
    end
    reply[#reply + 1] = 2
    reply[#reply + 1] = math.max(last - now, 0)
  else
    local ahead = redis.call('ZRANK', line, user)
    reply[#reply + 1] = ahead and 1 or 0
    reply[#reply + 1] = ahead or 0
  end
end
reply[2] = redis.call('ZCARD', inside)
if errand == 'join' then
  -- Also what an operator forgets goes away.
  local last = whole(math.max(opens - now, 0) + DAY)
  for i = 1, 5 do redis.call('PEXPIRE', KEYS[i], last) end
end
return reply
