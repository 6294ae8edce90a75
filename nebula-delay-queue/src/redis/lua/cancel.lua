-- KEYS msg run lease due0 due1 due2   ARGV id
local id = ARGV[1]
local found = redis.call('ZREM', KEYS[4], id) + redis.call('ZREM', KEYS[5], id) + redis.call('ZREM', KEYS[6], id)
if found == 0 then
  -- A lease that ended and that nobody has taken back yet.
  local ends = tonumber(redis.call('ZSCORE', KEYS[3], id) or nil)
  if ends and ends <= now_floor() then
    found = redis.call('ZREM', KEYS[3], id)
  end
end
if found > 0 then
  redis.call('HDEL', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
  return 1
end
return 0
