-- Inserts hashes into the generations of a filter.
-- KEYS: state, log, bits of the current generation, bits of the next one.
-- ARGV: the two generations as the caller knows them, mark, hashes for the log, how many insertions the log keeps, number
-- of hashes, places for each in either generation; then the places: of the current generation, then of the next.
-- Returns 1 and how many were new in the current generation, or 0 if the generations are others.
local at = redis.call('HMGET', KEYS[1], 'current', 'next', 'sequence')
if (at[1] or '') ~= ARGV[1] or (at[2] or '') ~= ARGV[2] then
    return { 0, 0 }
end
local count = tonumber(ARGV[6])
local function insert(key, first, places)
    local new = 0
    for item = 0, count - 1 do
        local call = {}
        for i = 0, places - 1 do
            local n = #call
            call[n + 1], call[n + 2], call[n + 3], call[n + 4] = 'SET', 'u1', ARGV[first + item * places + i], '1'
        end
        for _, was in ipairs(redis.call('BITFIELD', key, unpack(call))) do
            if was == 0 then
                new = new + 1
                break
            end
        end
    end
    return new
end
local new, first = 0, 9
if ARGV[1] ~= '' then
    -- Bits that are gone must not come back as an empty filter.
    if redis.call('EXISTS', KEYS[3]) == 0 then
        redis.call('HDEL', KEYS[1], 'current')
        return { 0, 0 }
    end
    new = insert(KEYS[3], first, tonumber(ARGV[7]))
    redis.call('HINCRBY', KEYS[1], 'current-items', new)
    first = first + count * tonumber(ARGV[7])
end
if ARGV[2] ~= '' then
    if redis.call('EXISTS', KEYS[4]) == 0 then
        redis.call('HDEL', KEYS[1], 'next')
        return { 0, 0 }
    end
    redis.call('HINCRBY', KEYS[1], 'next-items', insert(KEYS[4], first, tonumber(ARGV[8])))
end
local sequence = string.format('%.0f', tonumber(at[3] or '0') + 1)
redis.call('HSET', KEYS[1], 'sequence', sequence, 'mark', ARGV[3])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], sequence .. '-0', 'mark', ARGV[3], 'hashes', ARGV[4])
return { 1, new }
