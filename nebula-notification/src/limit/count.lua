-- KEYS[1]: a counter. ARGV[1]: the length of a part in milliseconds.
local time = redis.call('TIME')
local part = math.floor((time[1] * 1000 + math.floor(time[2] / 1000)) / tonumber(ARGV[1]))
local fields = redis.call('HGETALL', KEYS[1])
local sum = 0
for at = 1, #fields, 2 do
    local number = tonumber(fields[at])
    if number + 60 >= part and number <= part + 1 then
        sum = sum + tonumber(fields[at + 1])
    end
end
return sum
