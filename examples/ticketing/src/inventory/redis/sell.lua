-- Marks the seats that orders hold as sold, one order after the other, each for itself.
-- ARGV: run, channel, pause, log, then the orders
if not is_loaded(KEYS, ARGV[1]) then return { 'not-ready' } end
local answers, list = { 'answers' }, {}
local function sell(order)
  local own = redis.call('HGET', KEYS[3], order)
  if not own then return 'nothing-held' end
  local letter, user, positions, seats = parse(own)
  if letter == 'S' then return 'kept' end
  redis.call('HSET', KEYS[3], order, 'S' .. user .. positions)
  redis.call('ZREM', KEYS[5], order)
  for _, position in ipairs(seats) do list[#list + 1] = tonumber(position) end
  return 'changed ' .. #seats
end
for index = 5, #ARGV do answers[#answers + 1] = sell(ARGV[index]) end

if #list > 0 then
  table.sort(list)
  record(KEYS, { letter = 'S', list = list, positions = table.concat(list, ','), locked = -#list, sold = #list, now = now(),
    channel = ARGV[2], pause = ARGV[3], log = ARGV[4] })
end
return answers
