-- Replaces the shared rules if they are of the expected version, and announces it.
-- KEYS: rules. ARGV: expected version, a version that the new one must exceed, text, channel.
-- Returns the new version, or an empty text if another one is stored.
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then
    redis.call('DEL', KEYS[1])
end
local version = redis.call('HGET', KEYS[1], 'version') or '0'
if version ~= ARGV[1] then
    return ''
end
version = string.format('%.0f', math.max(tonumber(version), tonumber(ARGV[2])) + 1)
redis.call('HSET', KEYS[1], 'version', version, 'text', ARGV[3])
redis.call('PUBLISH', ARGV[4], version)
return version
