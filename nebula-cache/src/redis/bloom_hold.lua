-- Asks for the right to build a filter. KEYS: lease. ARGV: builder, lease in ms.
-- Returns 0, or how long somebody else still has the lease.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
    return math.max(1, redis.call('PTTL', KEYS[1]))
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 0
