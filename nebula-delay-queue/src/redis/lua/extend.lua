-- KEYS lease   ARGV lease_ms lease...   Returns 1 or 0 for each
local before = redis.call('ZMSCORE', KEYS[1], unpack(ARGV, 2))
local ends = text(now_floor() + tonumber(ARGV[1]))
local result, leases = {}, {}
for i = 2, #ARGV do
  local held = before[i - 1]
  result[i - 1] = held and 1 or 0
  if held then
    leases[#leases + 1] = ends
    leases[#leases + 1] = ARGV[i]
  end
end
if #leases > 0 then
  redis.call('ZADD', KEYS[1], unpack(leases))
end
return result
