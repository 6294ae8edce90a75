-- Shows a lock. KEYS: the lock. Returns nothing, or {owner, token, milliseconds until the lease ends}.
local value = redis.call('GET', KEYS[1])
if not value then
  return false
end
if string.sub(value, 33, 33) ~= ':' then
  return redis.error_reply('WRONGTYPE the key does not hold a lock')
end
return {string.sub(value, 1, 32), tonumber(string.match(value, '^%d+', 34)), redis.call('PTTL', KEYS[1])}
