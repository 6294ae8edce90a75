-- Inserts hashes into the generations of a filter.
-- KEYS: state, log, bits of the current generation, bits of the next one.
-- ARGV: the two generations as the caller knows them, mark, hashes for the log, how many insertions the log keeps, number
-- of hashes, places for each in either generation, then for either, if its bits are elsewhere and set already, how many hashes
-- were new or -1 if some of the bits are gone, else nothing; then the places: of the current generation, then of the next.
-- Returns 1 and how many were new in the current generation, or 0 if the generations are others.
local at = redis.call('HMGET', KEYS[1], 'current', 'next', 'sequence')
if (at[1] or '') ~= ARGV[1] or (at[2] or '') ~= ARGV[2] then
    return { 0, 0 }
end
local count, first = tonumber(ARGV[6]), 11
-- How many were new in a generation, or -1 if its bits are gone: they must not come back as an empty filter.
local function insert(key, places, elsewhere)
    if elsewhere ~= '' then
        return tonumber(elsewhere)
    end
    if redis.call('EXISTS', key) == 0 then
        return -1
    end
    local new = set_bits(key, count, first, places)
    first = first + count * places
    return new
end
local new = 0
if ARGV[1] ~= '' then
    new = insert(KEYS[3], tonumber(ARGV[7]), ARGV[9])
    if new < 0 then
        redis.call('HDEL', KEYS[1], 'current')
        return { 0, 0 }
    end
    if ARGV[9] == '' then
        redis.call('PERSIST', KEYS[3])
    end
    redis.call('HINCRBY', KEYS[1], 'current-items', new)
end
if ARGV[2] ~= '' then
    local also = insert(KEYS[4], tonumber(ARGV[8]), ARGV[10])
    if also < 0 then
        redis.call('HDEL', KEYS[1], 'next')
        return { 0, 0 }
    end
    redis.call('HINCRBY', KEYS[1], 'next-items', also)
end
local sequence = string.format('%.0f', tonumber(at[3] or '0') + 1)
redis.call('HSET', KEYS[1], 'sequence', sequence, 'mark', ARGV[3])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], sequence .. '-0', 'mark', ARGV[3], 'hashes', ARGV[4])
return { 1, new }
