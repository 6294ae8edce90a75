-- KEYS msg due0 due1 due2   ARGV channel (id rank kind time blob)...   kind "after": ms from now, "at": ms since 1970
-- Returns {woke, accepted...}
local result, added = { 0 }, {}
for i = 2, #ARGV, 5 do
  local accepted = redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 4])
  result[#result + 1] = accepted
  if accepted == 1 then
    local time = tonumber(ARGV[i + 3])
    if ARGV[i + 2] == 'after' then
      time = due_after(time)
    end
    local place = ARGV[i + 1] + 2
    local waiting = added[place]
    if not waiting then
      waiting = { soonest = time }
      added[place] = waiting
    end
    waiting[#waiting + 1] = text(time)
    waiting[#waiting + 1] = ARGV[i]
    if time < waiting.soonest then
      waiting.soonest = time
    end
  end
end
for place, waiting in pairs(added) do
  local before = head({ KEYS[place] })
  redis.call('ZADD', KEYS[place], unpack(waiting))
  if wake(ARGV[1], before, waiting.soonest) == 1 then
    result[1] = 1
  end
end
return result
