-- KEYS run lease due0 due1 due2   ARGV channel id kind time
-- Returns {found, woke}
local due = { KEYS[3], KEYS[4], KEYS[5] }
local id = ARGV[2]
local rank
for place = 1, 3 do
  if redis.call('ZSCORE', due[place], id) then
    rank = place - 1
  end
end
local run = redis.call('HGET', KEYS[1], id)
local _, attempts, _, run_rank, failure = read_run(run)
if not rank then
  local ends = tonumber(redis.call('ZSCORE', KEYS[2], id) or nil)
  if not ends or ends > now_floor() then
    return { 0, 0 }
  end
  redis.call('ZREM', KEYS[2], id)
  rank = run_rank or 1
end
local time = tonumber(ARGV[4])
if ARGV[3] == 'after' then
  time = due_after(time)
end
if attempts then
  redis.call('HSET', KEYS[1], id, write_run('-', attempts, time, rank, failure))
end
local before = head(due)
redis.call('ZADD', due[rank + 1], text(time), id)
return { 1, wake(ARGV[1], before, time) }
