-- KEYS run lease dead note   ARGV (id token reason error)...   Returns 1 or 0 for each
local now = text(now_floor())
local result = {}
for i = 1, #ARGV, 4 do
  local id, reason, failure = ARGV[i], ARGV[i + 2], ARGV[i + 3]
  local token, attempts, _, rank, before = read_run(redis.call('HGET', KEYS[1], id) or nil)
  if token == ARGV[i + 1] then
    if failure == '' then
      failure = before
    end
    local note = text(attempts) .. '|' .. rank .. '|' .. text(#reason) .. '|' .. reason .. failure
    redis.call('HDEL', KEYS[1], id)
    redis.call('ZREM', KEYS[2], id)
    redis.call('ZADD', KEYS[3], now, id)
    redis.call('HSET', KEYS[4], id, note)
    result[#result + 1] = 1
  else
    result[#result + 1] = 0
  end
end
return result
