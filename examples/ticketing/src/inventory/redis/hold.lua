-- Holds seats for orders, one after the other, each all or none.
-- ARGV: run, channel, pause, log, then for each order one text: order and user of 36 characters each, and the positions
-- (ascending, comma-separated)
if not is_loaded(KEYS, ARGV[1]) then return { 'not-ready' } end
local book = redis.call('HMGET', KEYS[1], 'epoch', 'seats', 'limit')
local seats, limit = tonumber(book[2]), tonumber(book[3])

local orders, users, wishes = {}, {}, {}
local low, high = seats, -1
for index = 5, #ARGV do
  local number = index - 4
  orders[number], users[number] = string.sub(ARGV[index], 1, 36), string.sub(ARGV[index], 37, 72)
  local wish = { positions = string.sub(ARGV[index], 73) }
  for position in string.gmatch(wish.positions, '%d+') do
    position = tonumber(position)
    if position >= seats then
      wish.unknown = wish.unknown or position
    else
      if position < low then low = position end
      if position > high then high = position end
    end
    wish[#wish + 1] = position
  end
  wishes[number] = wish
end

-- What the orders before it in this call changed counts for each order.
local entries, has = {}, {}
for number, entry in ipairs(redis.call('HMGET', KEYS[3], unpack(orders))) do entries[orders[number]] = entry end
for number, count in ipairs(redis.call('HMGET', KEYS[4], unpack(users))) do has[users[number]] = tonumber(count or 0) end
-- Seats that are not far apart are read together.
local together = high >= low and high - low < 8192 and redis.call('GETRANGE', KEYS[2], low, high)
local mine = {}
local function is_free(position)
  if mine[position] then return false end
  if together then return string.byte(together, position - low + 1) == 65 end
  return redis.call('GETRANGE', KEYS[2], position, position) == 'A'
end

local time = whole(now())
local list, new, counts, ages = {}, {}, {}, {}
local function hold(order, user, wish)
  if wish.unknown then return 'unknown-seat ' .. wish.unknown end
  local own = entries[order]
  if own then
    local letter, owner, positions = parse(own)
    if owner ~= user then return 'other-seats' end
    if positions ~= wish.positions then return 'other-seats ' .. string.gsub(positions, ',', ' ') end
    if letter == 'L' then redis.call('ZADD', KEYS[5], 'XX', time, order) end
    return 'held'
  end
  -- At a counter many people buy under one name.
  local counter = user == '00000000-0000-0000-0000-000000000000'
  if not counter and has[user] + #wish > limit then return 'user-limit ' .. has[user] .. ' ' .. limit end
  local taken = {}
  for _, position in ipairs(wish) do
    if not is_free(position) then taken[#taken + 1] = position end
  end
  if #taken > 0 then return 'taken ' .. table.concat(taken, ' ') end
  if #wish == 0 then return 'held' end

  for _, position in ipairs(wish) do
    mine[position] = true
    list[#list + 1] = position
  end
  has[user] = has[user] + #wish
  entries[order] = 'L' .. user .. wish.positions
  new[#new + 1], new[#new + 2] = order, entries[order]
  ages[#ages + 1], ages[#ages + 2] = time, order
  counts[user] = has[user]
  return 'held'
end

local answer = { 'answers', book[1] }
for number, order in ipairs(orders) do
  answer[number + 2] = hold(order, users[number], wishes[number])
end
if #list == 0 then return answer end

local flat = {}
for user, count in pairs(counts) do
  flat[#flat + 1], flat[#flat + 2] = user, count
end
redis.call('HSET', KEYS[3], unpack(new))
redis.call('HSET', KEYS[4], unpack(flat))
redis.call('ZADD', KEYS[5], unpack(ages))
-- One step for all of them.
table.sort(list)
record(KEYS, { letter = 'L', list = list, positions = table.concat(list, ','), locked = #list, sold = 0,
  now = tonumber(time), channel = ARGV[2], pause = ARGV[3], log = ARGV[4] })
return answer
