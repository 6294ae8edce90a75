-- Put before every script. Where a queue's messages are (all keys share its hash tag):
--   msg       HASH id -> envelope, newline, body; there for as long as the message exists in any state
--   due0..2   ZSET id by due time in ms, one per priority rank: what waits
--   lease     ZSET id by end of lease in ms: what is being handled
--   run       HASH id -> token|attempts|first due|rank|last error, from the first claim on; token "-" when waiting
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
  local token, attempts, due, rank, failure = string.match(run or '', '^([^|]*)|(%d+)|(%d+)|(%d)|(.*)$')
  return token, tonumber(attempts), tonumber(due), tonumber(rank), failure
end

local function write_run(token, attempts, due, rank, failure)
  return token .. '|' .. text(attempts) .. '|' .. text(due) .. '|' .. rank .. '|' .. failure
end

