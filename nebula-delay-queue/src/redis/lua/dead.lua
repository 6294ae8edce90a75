-- KEYS msg dead note   ARGV skip limit (at most 500)   Returns {id, died, note, blob}...
local skip, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local dead = redis.call('ZRANGE', KEYS[2], text(skip), text(skip + limit - 1), 'WITHSCORES')
local result = {}
for i = 1, #dead, 2 do
  local id = dead[i]
  local blob = redis.call('HGET', KEYS[1], id) or ''
  result[#result + 1] = { id, tonumber(dead[i + 1]), redis.call('HGET', KEYS[3], id) or '', blob }
end
return result
