-- KEYS run lease   ARGV lease_ms (id token)...   Returns 1 or 0 for each
local ids = {}
for i = 2, #ARGV, 2 do
  ids[#ids + 1] = ARGV[i]
end
local runs = redis.call('HMGET', KEYS[1], unpack(ids))
local ends = text(now_floor() + tonumber(ARGV[1]))
local result, leases = {}, {}
for i, id in ipairs(ids) do
  local held = (read_run(runs[i] or nil)) == ARGV[i * 2 + 1]
  result[i] = held and 1 or 0
  if held then
    leases[#leases + 1] = ends
    leases[#leases + 1] = id
  end
end
if #leases > 0 then
  redis.call('ZADD', KEYS[2], unpack(leases))
end
return result
