-- The shared rules, and how many nodes there are.
-- KEYS: rules, nodes. ARGV: this node, the version it knows.
-- Returns the version, the text unless that version is known, and the number of nodes seen within ten seconds.
local now = tonumber(redis.call('TIME')[1])
if redis.call('TYPE', KEYS[2]).ok ~= 'zset' then
    redis.call('DEL', KEYS[2])
end
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - 10)
redis.call('EXPIRE', KEYS[2], 60)
local version, text = '0', ''
if redis.call('TYPE', KEYS[1]).ok == 'hash' then
    version = redis.call('HGET', KEYS[1], 'version') or '0'
    if version ~= ARGV[2] then
        text = redis.call('HGET', KEYS[1], 'text') or ''
    end
end
return { version, text, redis.call('ZCARD', KEYS[2]) }
