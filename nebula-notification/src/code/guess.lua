-- KEYS: the code. ARGV: the digest of the guess. Answers 1 right, 0 wrong, -1 no code.
-- The try is counted before anything is compared, and the comparison looks at every byte.
local stored = redis.call('HMGET', KEYS[1], 'digest', 'tries')
if not stored[1] or tonumber(stored[2]) <= 0 then
    redis.call('DEL', KEYS[1])
    return -1
end
redis.call('HINCRBY', KEYS[1], 'tries', -1)
local mine, guess = stored[1], ARGV[1]
if #mine ~= #guess then
    return 0
end
local differ = 0
for at = 1, #mine do
    differ = bit.bor(differ, bit.bxor(string.byte(mine, at), string.byte(guess, at)))
end
if differ == 0 then
    redis.call('DEL', KEYS[1])
    return 1
end
return 0
