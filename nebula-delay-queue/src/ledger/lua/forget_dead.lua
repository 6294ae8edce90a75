-- KEYS records contents dead   Returns how many were forgotten, 500 at most
local dead = redis.call('ZRANGE', KEYS[3], 0, 499)
if #dead > 0 then
  redis.call('ZREM', KEYS[3], unpack(dead))
  redis.call('HDEL', KEYS[1], unpack(dead))
  redis.call('HDEL', KEYS[2], unpack(dead))
end
return #dead
