-- The end of the invalidation log, which is created if need be.
-- KEYS of all scripts that begin with this: head (hash), log (stream), versions (hash).
local function create(epoch)
    redis.call('DEL', KEYS[2], KEYS[3])
    redis.call('HSET', KEYS[1], 'epoch', epoch, 'sequence', '0', 'mark', '0')
    redis.call('HSET', KEYS[3], 'floor', '0')
    return epoch, '0', '0'
end

local function head(new_epoch)
    local at = redis.call('HMGET', KEYS[1], 'epoch', 'sequence', 'mark')
    if at[1] and at[2] and at[3] then
        return at[1], at[2], at[3]
    end
    return create(new_epoch)
end

local function now()
    local time = redis.call('TIME')
    return string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
end
