-- Holds seats for an order, all or none.
-- ARGV: run, channel, pause, log, order, user, positions (ascending, comma-separated)
if not is_loaded(KEYS, ARGV[1]) then return { 'not-ready' } end
local order, user, wanted = ARGV[5], ARGV[6], ARGV[7]
local book = redis.call('HMGET', KEYS[1], 'epoch', 'seats', 'limit')
local list = {}
for position in string.gmatch(wanted, '%d+') do
  if tonumber(position) >= tonumber(book[2]) then return { 'unknown-seat', position } end
  list[#list + 1] = position
end

local own = redis.call('HGET', KEYS[3], order)
if own then
  local letter, owner, positions = parse(own)
  if owner ~= user or positions ~= wanted then return { 'other-seats' } end
  if letter == 'L' then redis.call('ZADD', KEYS[5], 'XX', whole(now()), order) end
  return { 'held', book[1] }
end

local has = tonumber(redis.call('HGET', KEYS[4], user) or 0)
if has + #list > tonumber(book[3]) then return { 'user-limit', whole(has), book[3] } end

local taken = { 'taken' }
for _, position in ipairs(list) do
  if redis.call('GETRANGE', KEYS[2], position, position) ~= 'A' then taken[#taken + 1] = position end
end
if #taken > 1 then return taken end
if #list == 0 then return { 'held', book[1] } end

local time = now()
redis.call('HSET', KEYS[3], order, 'L' .. user .. wanted)
redis.call('HINCRBY', KEYS[4], user, #list)
redis.call('ZADD', KEYS[5], whole(time), order)
record(KEYS, { letter = 'L', list = list, positions = wanted, locked = #list, sold = 0, now = time, channel = ARGV[2],
  pause = ARGV[3], log = ARGV[4] })
return { 'held', book[1] }
