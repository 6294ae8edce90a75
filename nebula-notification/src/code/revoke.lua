-- KEYS: the code, its cool-down. ARGV: digest. Removes both if the code is still that one.
if redis.call('HGET', KEYS[1], 'digest') == ARGV[1] then
    redis.call('DEL', KEYS[1], KEYS[2])
end
return 0
