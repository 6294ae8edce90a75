-- KEYS run lease dead note   ARGV (lease reason error)...   Returns 1 or 0 for each
local now = text(now_floor())
local result = {}
for i = 1, #ARGV, 3 do
  local held = redis.call('ZREM', KEYS[2], ARGV[i])
  if held == 1 then
    local attempts, _, rank, id = read_lease(ARGV[i])
    local reason, failure = ARGV[i + 1], ARGV[i + 2]
    if failure == '' then
      local _, _, before = read_run(redis.call('HGET', KEYS[1], id) or nil)
      failure = before or ''
    end
    redis.call('HDEL', KEYS[1], id)
    redis.call('ZADD', KEYS[3], now, id)
    redis.call('HSET', KEYS[4], id, attempts .. '|' .. rank .. '|' .. text(#reason) .. '|' .. reason .. failure)
  end
  result[#result + 1] = held
end
return result
