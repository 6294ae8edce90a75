-- KEYS: counters, all with one hash tag. ARGV: for each counter its limit and the length of a part in milliseconds.
-- A counter is a hash from the number of a part to its uses. Answers {0}, or {place from 1, milliseconds to wait}.
local PARTS = 60
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local mine = {}
for i, key in ipairs(KEYS) do
    local limit, width = tonumber(ARGV[i * 2 - 1]), tonumber(ARGV[i * 2])
    local part = math.floor(now / width)
    local fields = redis.call('HGETALL', key)
    local sum, parts, old = mine[key] or 0, {}, {}
    for at = 1, #fields, 2 do
        local number, uses = tonumber(fields[at]), tonumber(fields[at + 1])
        if number + PARTS < part or number > part + 1 then
            old[#old + 1] = fields[at]
        else
            sum = sum + uses
            parts[#parts + 1] = { number, uses }
        end
    end
    if #old > 0 then
        redis.call('HDEL', key, unpack(old))
    end
    if sum >= limit then
        table.sort(parts, function(a, b) return a[1] < b[1] end)
        local left = sum
        for _, one in ipairs(parts) do
            left = left - one[2]
            if left < limit then
                return { i, string.format('%.0f', math.max((one[1] + PARTS + 1) * width - now, 0)) }
            end
        end
        return { i, string.format('%.0f', width * PARTS) }
    end
    mine[key] = (mine[key] or 0) + 1
end
for i, key in ipairs(KEYS) do
    local width = tonumber(ARGV[i * 2])
    redis.call('HINCRBY', key, string.format('%.0f', math.floor(now / width)), 1)
    redis.call('PEXPIRE', key, string.format('%.0f', width * (PARTS + 2)))
end
return { 0, '0' }
