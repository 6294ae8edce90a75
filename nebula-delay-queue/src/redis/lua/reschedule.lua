-- KEYS run lease due0 due1 due2   ARGV channel id kind time
-- Returns {found, woke}
local due = { KEYS[3], KEYS[4], KEYS[5] }
local id = ARGV[2]
local function place()
  for place = 1, 3 do
    if redis.call('ZSCORE', due[place], id) then
      return place
    end
  end
end
local found = place()
if not found then
  -- It may be among those whose lease ended and that nobody has taken back yet.
  local now = now_floor()
  while take_back(KEYS[2], KEYS[1], due, now, 500) == 500 do
  end
  found = place()
end
if not found then
  return { 0, 0 }
end
local time = tonumber(ARGV[4])
if ARGV[3] == 'after' then
  time = due_after(time)
end
local attempts, _, failure = read_run(redis.call('HGET', KEYS[1], id) or nil)
if attempts then
  redis.call('HSET', KEYS[1], id, write_run(attempts, text(time), failure))
end
local before = head(due)
redis.call('ZADD', due[found], text(time), id)
return { 1, wake(ARGV[1], before, time) }
