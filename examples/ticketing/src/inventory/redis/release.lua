-- Frees the seats that an order holds, if nobody asked for the hold within `age` milliseconds; `age` -1 frees sold ones, too.
-- ARGV: run, channel, pause, log, order, age
if not is_loaded(KEYS, ARGV[1]) then return { 'not-ready' } end
local order = ARGV[5]
local own = redis.call('HGET', KEYS[3], order)
if not own then return { 'nothing-held' } end
local letter, user, positions, list = parse(own)
local age = tonumber(ARGV[6])
if letter ~= 'L' and age >= 0 then return { 'kept' } end
local time = now()
local since = tonumber(redis.call('ZSCORE', KEYS[5], order) or 0)
if age > 0 and time - since < age then return { 'kept' } end

redis.call('HDEL', KEYS[3], order)
redis.call('ZREM', KEYS[5], order)
if redis.call('HINCRBY', KEYS[4], user, -#list) <= 0 then redis.call('HDEL', KEYS[4], user) end
record(KEYS, { letter = 'A', list = list, positions = positions, locked = letter == 'L' and -#list or 0,
  sold = letter == 'S' and -#list or 0, now = time, channel = ARGV[2], pause = ARGV[3], log = ARGV[4] })
return { 'changed', #list }
