-- KEYS mark   ARGV token, how long to remember in ms
local mark = redis.call('GET', KEYS[1])
if mark and mark ~= ARGV[1] and mark ~= 'done' then
  return 0
end
redis.call('SET', KEYS[1], 'done', 'PX', ARGV[2])
return 1
