-- KEYS dead note due0 due1 due2   ARGV channel id   Returns {found, woke}
local due = { KEYS[3], KEYS[4], KEYS[5] }
local id = ARGV[2]
if redis.call('ZREM', KEYS[1], id) == 0 then
  return { 0, 0 }
end
local rank = string.match(redis.call('HGET', KEYS[2], id) or '', '^%d+|(%d)|')
redis.call('HDEL', KEYS[2], id)
local before = head(due)
local now = due_after(0)
redis.call('ZADD', due[(rank or 1) + 1], text(now), id)
return { 1, wake(ARGV[1], before, now) }
