-- KEYS records contents, then the ids by time in each of the five states
-- ARGV for each change: id, version expected or "", version, state, ms, detail, "keep", "clear" or "set", content
-- A record is "version|state|ms|detail". Returns 1 or 0 for each change.
local clock = redis.call('TIME')
local now = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
-- What may be forgotten: state 0, not confirmed, and 4, over. A little with each call.
for _, place in ipairs({ 3, 7 }) do
  local old = redis.call('ZRANGEBYSCORE', KEYS[place], '-inf', now, 'LIMIT', 0, 100)
  if #old > 0 then
    redis.call('ZREM', KEYS[place], unpack(old))
    redis.call('HDEL', KEYS[1], unpack(old))
    redis.call('HDEL', KEYS[2], unpack(old))
  end
end
local done = {}
for first = 1, #ARGV, 8 do
  local id, expected, version, state, ms, detail, way, content = unpack(ARGV, first, first + 7)
  local found, before = string.match(redis.call('HGET', KEYS[1], id) or '', '^(%d+)|(%d)|')
  if (found or '') == expected then
    if before and before ~= state then
      redis.call('ZREM', KEYS[before + 3], id)
    end
    redis.call('ZADD', KEYS[state + 3], ms, id)
    redis.call('HSET', KEYS[1], id, version .. '|' .. state .. '|' .. ms .. '|' .. detail)
    if way == 'set' then
      redis.call('HSET', KEYS[2], id, content)
    elseif way == 'clear' then
      redis.call('HDEL', KEYS[2], id)
    end
    done[#done + 1] = 1
  else
    done[#done + 1] = 0
  end
end
return done
