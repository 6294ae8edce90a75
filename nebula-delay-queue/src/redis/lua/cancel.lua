-- KEYS msg run lease due0 due1 due2   ARGV id
local id, due = ARGV[1], { KEYS[4], KEYS[5], KEYS[6] }
local function forget()
  return redis.call('ZREM', due[1], id) + redis.call('ZREM', due[2], id) + redis.call('ZREM', due[3], id)
end
local found = forget()
if found == 0 then
  -- It may be among those whose lease ended and that nobody has taken back yet.
  local now = now_floor()
  while take_back(KEYS[3], KEYS[2], due, now, 500) == 500 do
  end
  found = forget()
end
if found > 0 then
  redis.call('HDEL', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
  return 1
end
return 0
