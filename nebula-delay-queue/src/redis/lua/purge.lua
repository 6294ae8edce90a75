-- KEYS msg dead note   ARGV id, or nothing for the 500 longest dead   Returns how many were deleted
local ids = ARGV
if #ids == 0 then
  ids = redis.call('ZRANGE', KEYS[2], 0, 499)
elseif not redis.call('ZSCORE', KEYS[2], ids[1]) then
  return 0
end
if #ids == 0 then
  return 0
end
redis.call('HDEL', KEYS[1], unpack(ids))
redis.call('HDEL', KEYS[3], unpack(ids))
return redis.call('ZREM', KEYS[2], unpack(ids))
