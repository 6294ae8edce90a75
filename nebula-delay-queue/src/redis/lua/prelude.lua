-- Put before every script. Where a queue's messages are (all keys share its hash tag):
--   msg       HASH id -> envelope, newline, body; there for as long as the message exists in any state
--   due0..2   ZSET id by due time in ms, one per priority rank: what waits
--   lease     ZSET token|attempts|first due|rank|id by end of lease in ms: what is being handled; what precedes
--             the id is the token of the lease
--   run       HASH id -> attempts|first due|last error, of what was handed out before and has come back
--   dead      ZSET id by time of death in ms
--   note      HASH id -> attempts|rank|bytes of reason|reason, last error: about the dead
-- Time is the server's. Now is rounded down when it is compared and up when something is put off: never early.

-- Read once: within a script the server's time stands still.
local clock
local function micros()
  if not clock then
    local time = redis.call('TIME')
    clock = time[1] * 1000000 + time[2]
  end
  return clock
end

local function now_floor()
  return math.floor(micros() / 1000)
end

-- When something is due after a pause in ms; without one, at once.
local function due_after(pause)
  if pause == 0 then
    return now_floor()
  end
  return math.ceil(micros() / 1000) + pause
end

local function text(number)
  return string.format('%.0f', number)
end

-- The lowest score of several sorted sets, or nil.
local function head(keys)
  local lowest
  for _, key in ipairs(keys) do
    local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
    local score = tonumber(first[2])
    if score and (not lowest or score < lowest) then
      lowest = score
    end
  end
  return lowest
end

-- Wakes sleeping workers if something is due before everything else.
local function wake(channel, before, soonest)
  if soonest and (not before or soonest < before) then
    redis.call('PUBLISH', channel, text(soonest))
    return 1
  end
  return 0
end

local function read_run(run)
  local attempts, first, failure = string.match(run or '', '^(%d+)|(%d+)|(.*)$')
  return attempts, first, failure
end

local function write_run(attempts, first, failure)
  return attempts .. '|' .. first .. '|' .. (failure or '')
end

local function read_lease(lease)
  local attempts, first, rank, id = string.match(lease, '^%x+|(%d+)|(%d+)|([0-2])|(.+)$')
  return attempts, first, tonumber(rank), id
end

-- What was leased to somebody who has not been heard of waits again, since the end of its lease. Returns how many.
local function take_back(leases, runs, due, now, max)
  local ended = redis.call('ZRANGEBYSCORE', leases, '-inf', text(now), 'WITHSCORES', 'LIMIT', 0, max)
  for i = 1, #ended, 2 do
    local attempts, first, rank, id = read_lease(ended[i])
    redis.call('ZREM', leases, ended[i])
    if id then
      local _, _, failure = read_run(redis.call('HGET', runs, id) or nil)
      redis.call('HSET', runs, id, write_run(attempts, first, failure))
      redis.call('ZADD', due[rank + 1], ended[i + 1], id)
    end
  end
  return #ended / 2
end
