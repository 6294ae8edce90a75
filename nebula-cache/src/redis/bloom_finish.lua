-- Makes the next generation of a filter, whose shards are complete, the current one.
-- KEYS: state, lease. ARGV: builder, generation, items.
-- Returns 1, or 0 if the builder has lost the lease, or the generation is another one.
local at = redis.call('HMGET', KEYS[1], 'next', 'next-bits', 'next-hashes', 'next-capacity', 'next-items')
if redis.call('GET', KEYS[2]) ~= ARGV[1] or at[1] ~= ARGV[2] then
    return 0
end
redis.call('HSET', KEYS[1], 'current', at[1], 'current-bits', at[2], 'current-hashes', at[3], 'current-capacity', at[4],
    'current-items', string.format('%.0f', tonumber(at[5]) + tonumber(ARGV[3])))
redis.call('HDEL', KEYS[1], 'next')
redis.call('UNLINK', KEYS[2])
return 1
