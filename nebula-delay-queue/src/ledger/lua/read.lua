-- KEYS records   ARGV ids   Returns the time in ms as text, then the records
local clock = redis.call('TIME')
local now = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
return { now, redis.call('HMGET', KEYS[1], unpack(ARGV)) }
