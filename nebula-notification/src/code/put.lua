-- KEYS: the code, its cool-down. ARGV: digest, lifetime in ms, tries, cool-down in ms.
-- Answers -1 if it is stored, else the milliseconds until it can be.
local left = redis.call('PTTL', KEYS[2])
if left > 0 then
    return left
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'digest', ARGV[1], 'tries', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if tonumber(ARGV[4]) > 0 then
    redis.call('SET', KEYS[2], '1', 'PX', ARGV[4])
end
return -1
