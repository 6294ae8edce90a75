-- KEYS run lease due0 due1 due2   ARGV channel (lease after_ms counted error)...   Returns {woke, 1 or 0 for each}
local due = { KEYS[3], KEYS[4], KEYS[5] }
local before = head(due)
local soonest
local result = { 0 }
for i = 2, #ARGV, 4 do
  local held = redis.call('ZREM', KEYS[2], ARGV[i])
  if held == 1 then
    local attempts, first, rank, id = read_lease(ARGV[i])
    local failure = ARGV[i + 3]
    if ARGV[i + 2] ~= '1' then
      attempts = text(math.max(attempts - 1, 0))
      local _, _, last = read_run(redis.call('HGET', KEYS[1], id) or nil)
      failure = last
    end
    local time = due_after(tonumber(ARGV[i + 1]))
    redis.call('HSET', KEYS[1], id, write_run(attempts, first, failure))
    redis.call('ZADD', due[rank + 1], text(time), id)
    if not soonest or time < soonest then
      soonest = time
    end
  end
  result[#result + 1] = held
end
result[1] = wake(ARGV[1], before, soonest)
return result
