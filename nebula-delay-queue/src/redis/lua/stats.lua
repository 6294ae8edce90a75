-- KEYS lease dead due0 due1 due2   ARGV how long in ms makes overdue
-- Returns {backlog, delayed, leased, dead, oldest lateness in ms, overdue}
local waiting = { KEYS[3], KEYS[4], KEYS[5] }
local now = now_floor()
local since = text(now - tonumber(ARGV[1]))
local ended = redis.call('ZCOUNT', KEYS[1], '-inf', text(now))
local backlog, all, overdue = ended, 0, redis.call('ZCOUNT', KEYS[1], '-inf', since)
for _, key in ipairs(waiting) do
  backlog = backlog + redis.call('ZCOUNT', key, '-inf', text(now))
  overdue = overdue + redis.call('ZCOUNT', key, '-inf', since)
  all = all + redis.call('ZCARD', key)
end
local oldest = math.min(head(waiting) or now, head({ KEYS[1] }) or now, now)
local leased = redis.call('ZCARD', KEYS[1]) - ended
return { backlog, all + ended - backlog, leased, redis.call('ZCARD', KEYS[2]), now - oldest, overdue }
