-- KEYS: hash of the seats that are held. ARGV: order, seats.
for place = 2, #ARGV do
    if redis.call('HEXISTS', KEYS[1], ARGV[place]) == 1 then
        return 0
    end
end
for place = 2, #ARGV do
    redis.call('HSET', KEYS[1], ARGV[place], ARGV[1])
end
return 1
