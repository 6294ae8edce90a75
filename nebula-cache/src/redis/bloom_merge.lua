-- Adds what was put aside to a shard of the next generation. KEYS: shard, what is put aside for it. ARGV: its size in bytes.
-- Returns 1, or 0 if any of it is missing.
local size = tonumber(ARGV[1])
if redis.call('STRLEN', KEYS[1]) ~= size or redis.call('STRLEN', KEYS[2]) ~= size then
    return 0
end
redis.call('BITOP', 'OR', KEYS[1], KEYS[1], KEYS[2])
return 1
