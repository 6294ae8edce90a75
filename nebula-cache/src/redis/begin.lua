-- Looks at a key and asks for its lease.
-- KEYS: value, lease. ARGV: loader, lease in ms.
-- Returns the value, and 0 if the lease is granted, else how long it still lasts.
local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' then
    value = false -- no string: none of ours
end
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then
    return { value, math.max(1, redis.call('PTTL', KEYS[2])) }
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return { value, 0 }
