-- Sets bits in one shard of a generation that is spread over several keys.
-- KEYS: shard. ARGV: number of hashes, places for each, 1 for the current generation, which stays; then the places.
-- Returns how many hashes were new, or -1 if the shard is gone: it must not come back as an empty one.
if redis.call('EXISTS', KEYS[1]) == 0 then
    return -1
end
if ARGV[3] == '1' then
    redis.call('PERSIST', KEYS[1])
end
return set_bits(KEYS[1], tonumber(ARGV[1]), 4, tonumber(ARGV[2]))
