-- KEYS mark   ARGV token lease in ms. Answers 0 for "yours", -1 for "done", else for how many ms somebody has it.
-- A mark is the token of who is at it, or "done". It lives as long as either counts.
local mark = redis.call('GET', KEYS[1])
if mark == 'done' then
  return -1
end
if mark and mark ~= ARGV[1] then
  return math.max(redis.call('PTTL', KEYS[1]), 1)
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 0
