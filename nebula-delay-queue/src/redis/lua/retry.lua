-- KEYS run lease due0 due1 due2   ARGV channel (id token after_ms counted error)...   Returns {woke, 1 or 0 for each}
local due = { KEYS[3], KEYS[4], KEYS[5] }
local before = head(due)
local soonest
local result = { 0 }
for i = 2, #ARGV, 5 do
  local id = ARGV[i]
  local token, attempts, first, rank, failure = read_run(redis.call('HGET', KEYS[1], id) or nil)
  if token == ARGV[i + 1] then
    if ARGV[i + 3] == '1' then
      failure = ARGV[i + 4]
    else
      attempts = math.max(attempts - 1, 0)
    end
    local time = due_after(tonumber(ARGV[i + 2]))
    redis.call('HSET', KEYS[1], id, write_run('-', attempts, first, rank, failure))
    redis.call('ZREM', KEYS[2], id)
    redis.call('ZADD', due[rank + 1], text(time), id)
    if not soonest or time < soonest then
      soonest = time
    end
    result[#result + 1] = 1
  else
    result[#result + 1] = 0
  end
end
result[1] = wake(ARGV[1], before, soonest)
return result
