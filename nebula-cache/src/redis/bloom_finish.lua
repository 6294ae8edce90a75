-- Makes the next generation of a filter the current one.
-- KEYS: state, lease, its bits, bits put aside for it, bits of the generation before. ARGV: builder, generation, items.
local at = redis.call('HMGET', KEYS[1], 'next', 'next-bits', 'next-hashes', 'next-capacity', 'next-items')
if redis.call('GET', KEYS[2]) ~= ARGV[1] or at[1] ~= ARGV[2] then
    return 0
end
local size = tonumber(at[2]) / 8
if redis.call('STRLEN', KEYS[3]) ~= size or redis.call('STRLEN', KEYS[4]) ~= size then
    return 0
end
redis.call('BITOP', 'OR', KEYS[3], KEYS[3], KEYS[4])
redis.call('PERSIST', KEYS[3])
redis.call('HSET', KEYS[1], 'current', at[1], 'current-bits', at[2], 'current-hashes', at[3], 'current-capacity', at[4],
    'current-items', string.format('%.0f', tonumber(at[5]) + tonumber(ARGV[3])))
redis.call('HDEL', KEYS[1], 'next')
redis.call('UNLINK', KEYS[2], KEYS[4])
if KEYS[5] ~= KEYS[3] then
    redis.call('UNLINK', KEYS[5])
end
return 1
