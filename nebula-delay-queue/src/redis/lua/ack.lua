-- KEYS msg run lease   ARGV (id token)...   Returns 1 or 0 for each
local ids = {}
for i = 1, #ARGV, 2 do
  ids[#ids + 1] = ARGV[i]
end
local runs = redis.call('HMGET', KEYS[2], unpack(ids))
local result, done, seen = {}, {}, {}
for i, id in ipairs(ids) do
  local held = (read_run(runs[i] or nil)) == ARGV[i * 2] and not seen[id]
  result[i] = held and 1 or 0
  if held then
    seen[id] = true
    done[#done + 1] = id
  end
end
if #done > 0 then
  redis.call('HDEL', KEYS[1], unpack(done))
  redis.call('HDEL', KEYS[2], unpack(done))
  redis.call('ZREM', KEYS[3], unpack(done))
end
return result
