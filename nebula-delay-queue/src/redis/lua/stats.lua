-- KEYS lease dead due0 due1 due2   Returns {backlog, delayed, leased, dead, oldest lateness in ms}
local waiting = { KEYS[3], KEYS[4], KEYS[5] }
local now = now_floor()
local ended = redis.call('ZCOUNT', KEYS[1], '-inf', text(now))
local backlog, all = ended, 0
for _, key in ipairs(waiting) do
  backlog = backlog + redis.call('ZCOUNT', key, '-inf', text(now))
  all = all + redis.call('ZCARD', key)
end
local oldest = math.min(head(waiting) or now, head({ KEYS[1] }) or now, now)
return { backlog, all + ended - backlog, redis.call('ZCARD', KEYS[1]) - ended, redis.call('ZCARD', KEYS[2]), now - oldest }
