-- KEYS msg run lease   ARGV (lease id)...   Returns 1 or 0 for each
local leases, ids = {}, {}
for i = 1, #ARGV, 2 do
  local n = #ids + 1
  leases[n], ids[n] = ARGV[i], ARGV[i + 1]
end
local ends = redis.call('ZMSCORE', KEYS[3], unpack(leases))
local result, held, done, seen = {}, {}, {}, {}
for i, lease in ipairs(leases) do
  if ends[i] and not seen[lease] then
    local n = #done + 1
    seen[lease], held[n], done[n], result[i] = true, lease, ids[i], 1
  else
    result[i] = 0
  end
end
if #done > 0 then
  redis.call('ZREM', KEYS[3], unpack(held))
  redis.call('HDEL', KEYS[1], unpack(done))
  if redis.call('EXISTS', KEYS[2]) == 1 then
    redis.call('HDEL', KEYS[2], unpack(done))
  end
end
return result
