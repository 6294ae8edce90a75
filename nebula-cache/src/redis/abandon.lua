-- Keeps other loaders out for a while, or lets them in. KEYS: lease. ARGV: loader, back-off in ms.
if redis.call('GET', KEYS[1]) == ARGV[1] then
    if tonumber(ARGV[2]) > 0 then
        redis.call('SET', KEYS[1], 'abandoned', 'PX', ARGV[2])
    else
        redis.call('DEL', KEYS[1])
    end
end
return 0
