-- Makes known the next generation of a filter, whose shards are there: from now on insertions go to it, too.
-- KEYS: state, lease. ARGV: builder, generation, bits, hashes and shards, capacity.
-- Returns 1, or 0 if the builder has lost the lease.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
    return 0
end
redis.call('HSET', KEYS[1], 'next', ARGV[2], 'next-bits', ARGV[3], 'next-hashes', ARGV[4], 'next-capacity', ARGV[5],
    'next-items', '0')
return 1
