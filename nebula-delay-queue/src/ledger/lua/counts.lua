-- KEYS ids by time: waiting, leased, dead   ARGV how long in ms makes overdue
-- Returns the time in ms as text, then how many are due, delayed, leased, dead, the least time as text or "", and how many
-- are overdue
local clock = redis.call('TIME')
local ms = clock[1] * 1000 + math.floor(clock[2] / 1000)
local now, since = string.format('%.0f', ms), string.format('%.0f', ms - tonumber(ARGV[1]))
local waiting, leased = redis.call('ZCARD', KEYS[1]), redis.call('ZCARD', KEYS[2])
local due, ended = redis.call('ZCOUNT', KEYS[1], '-inf', now), redis.call('ZCOUNT', KEYS[2], '-inf', now)
local overdue = redis.call('ZCOUNT', KEYS[1], '-inf', since) + redis.call('ZCOUNT', KEYS[2], '-inf', since)
local least
for place = 1, 2 do
  local first = tonumber(redis.call('ZRANGE', KEYS[place], 0, 0, 'WITHSCORES')[2])
  if first and (not least or first < least) then
    least = first
  end
end
local text = least and string.format('%.0f', least) or ''
return { now, due + ended, waiting - due, leased - ended, redis.call('ZCARD', KEYS[3]), text, overdue }
