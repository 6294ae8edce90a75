-- KEYS pending, then the life of each event's message
-- ARGV events kept, ms kept, forgotten before, then for each event: id, when in ms, due in ms or "-" or "", the event
-- A life is a list of "when|event". Events of one message may come out of order, from several processes: only the
-- latest says what is pending, and stays at the end of the list. Due "-": nothing is to come. Due "": the event changes nothing
-- about that, and counts as older than all that do.
local most, keep = tonumber(ARGV[1]), ARGV[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
for number = 2, #KEYS do
  local at = number * 4 - 4
  local id, time, due, event = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  if due == '' then
    time = '0'
  end
  local last = redis.call('LINDEX', KEYS[number], -1)
  local latest = not last or tonumber(string.match(last, '^(%d+)|')) <= tonumber(time)
  if latest then
    redis.call('RPUSH', KEYS[number], time .. '|' .. event)
  else
    redis.call('RPOP', KEYS[number])
    redis.call('RPUSH', KEYS[number], time .. '|' .. event, last)
  end
  redis.call('LTRIM', KEYS[number], -most, -1)
  redis.call('PEXPIRE', KEYS[number], keep)
  if latest and due == '-' then
    redis.call('ZREM', KEYS[1], id)
  elseif latest and due ~= '' then
    redis.call('ZADD', KEYS[1], due, id)
  end
end
return #KEYS - 1
