-- When tags and caches were invalidated last. ARGV: epoch if there is none, then hashes. Returns epoch and sequences.
local epoch, sequence = head(ARGV[1])
local floor = redis.call('HGET', KEYS[3], 'floor') or sequence
local answer = { epoch }
for i = 2, #ARGV do
    answer[i] = redis.call('HGET', KEYS[3], ARGV[i]) or floor
end
return answer
