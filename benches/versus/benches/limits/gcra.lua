-- The limit: one token of a bucket, as short as it can be written. KEYS: bucket. ARGV: microseconds for a token, burst.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local every = tonumber(ARGV[1])
local tat = math.max(now, tonumber(redis.call('GET', KEYS[1]) or now)) + every
if tat - now > every * ARGV[2] then
    return 0
end
redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', math.max(1, math.ceil((tat - now) / 1000)))
return 1
