-- ARGV: run
if not is_loaded(KEYS, ARGV[1]) then return { 'not-ready' } end
local book = redis.call('HMGET', KEYS[1], 'epoch', 'sequence', 'seats')
local states = redis.call('GET', KEYS[2])
if not states or #states ~= tonumber(book[3]) then return { 'not-ready' } end
return { 'snapshot', book[1], book[2], states }
