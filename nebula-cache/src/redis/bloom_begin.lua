-- Asks to build the next generation of a filter.
-- KEYS: state, lease, bits of the next generation, bits put aside for it.
-- ARGV: builder, lease in ms, generation, bits, hashes, capacity, ms until unfinished bits vanish.
-- Returns 0, or how long somebody else still has the lease.
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then
    return math.max(1, redis.call('PTTL', KEYS[2]))
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
redis.call('UNLINK', KEYS[3], KEYS[4])
redis.call('SETBIT', KEYS[3], string.format('%.0f', tonumber(ARGV[4]) - 1), 0)
redis.call('PEXPIRE', KEYS[3], ARGV[7])
redis.call('HSET', KEYS[1], 'next', ARGV[3], 'next-bits', ARGV[4], 'next-hashes', ARGV[5], 'next-capacity', ARGV[6],
    'next-items', '0')
return 0
