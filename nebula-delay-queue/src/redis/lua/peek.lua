-- KEYS lease due0 due1 due2   ARGV limit (1 to 1000)
-- Returns {id, from when it can be claimed}..., as many of each priority and in no order
local found = {}
local function add(id, score)
  found[#found + 1], found[#found + 2] = id, score
end
for place = 2, 4 do
  local waiting = redis.call('ZRANGE', KEYS[place], 0, ARGV[1] - 1, 'WITHSCORES')
  for i = 1, #waiting, 2 do
    add(waiting[i], waiting[i + 1])
  end
end
local ended = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', text(now_floor()), 'WITHSCORES', 'LIMIT', 0, ARGV[1])
for i = 1, #ended, 2 do
  local _, _, _, id = read_lease(ended[i])
  if id then
    add(id, ended[i + 1])
  end
end
return found
