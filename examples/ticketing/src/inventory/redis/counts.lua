-- ARGV: run
if not is_loaded(KEYS, ARGV[1]) then return { 'not-ready' } end
local book = redis.call('HMGET', KEYS[1], 'epoch', 'sequence', 'seats', 'locked', 'sold')
return { 'counts', book[1], book[2], book[3], book[4], book[5] }
