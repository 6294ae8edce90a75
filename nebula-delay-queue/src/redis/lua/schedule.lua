-- KEYS msg due0 due1 due2   ARGV channel (id rank kind time blob)...   kind "after": ms from now, "at": ms since 1970
-- Returns {woke, accepted...}
local due = { KEYS[2], KEYS[3], KEYS[4] }
local before = head(due)
local soonest
local result = { 0 }
for i = 2, #ARGV, 5 do
  local id, time = ARGV[i], tonumber(ARGV[i + 3])
  local accepted = redis.call('HSETNX', KEYS[1], id, ARGV[i + 4])
  if accepted == 1 then
    if ARGV[i + 2] == 'after' then
      time = due_after(time)
    end
    redis.call('ZADD', due[ARGV[i + 1] + 1], text(time), id)
    if not soonest or time < soonest then
      soonest = time
    end
  end
  result[#result + 1] = accepted
end
result[1] = wake(ARGV[1], before, soonest)
return result
