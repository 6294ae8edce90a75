-- Marks the seats that an order holds as sold.
-- ARGV: run, channel, pause, log, order
if not is_loaded(KEYS, ARGV[1]) then return { 'not-ready' } end
local order = ARGV[5]
local own = redis.call('HGET', KEYS[3], order)
if not own then return { 'nothing-held' } end
local letter, user, positions, list = parse(own)
if letter == 'S' then return { 'kept' } end

redis.call('HSET', KEYS[3], order, 'S' .. user .. positions)
redis.call('ZREM', KEYS[5], order)
record(KEYS, { letter = 'S', list = list, positions = positions, locked = -#list, sold = #list, now = now(),
  channel = ARGV[2], pause = ARGV[3], log = ARGV[4] })
return { 'changed', #list }
