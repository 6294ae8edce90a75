-- KEYS msg run lease due0 due1 due2   ARGV max (at most 500) lease_ms token
-- Returns {now, next or -1, {claimable since...}, {lease...}, {blob...}}
local due = { KEYS[4], KEYS[5], KEYS[6] }
local max, token = tonumber(ARGV[1]), ARGV[3] .. '|'
local now = now_floor()
take_back(KEYS[3], KEYS[2], due, now, max)

local ids, since, ranks = {}, {}, {}
for place = 1, 3 do
  local left = max - #ids
  if left > 0 then
    local taken = redis.call('ZRANGEBYSCORE', due[place], '-inf', text(now), 'WITHSCORES', 'LIMIT', 0, left)
    if #taken > 0 then
      redis.call('ZREMRANGEBYRANK', due[place], 0, #taken / 2 - 1)
      local rank = '|' .. (place - 1) .. '|'
      for i = 1, #taken, 2 do
        local n = #ids + 1
        ids[n], since[n], ranks[n] = taken[i], taken[i + 1], rank
      end
    end
  end
end

local leases, blobs = {}, {}
if #ids > 0 then
  blobs = redis.call('HMGET', KEYS[1], unpack(ids))
  local runs = redis.call('EXISTS', KEYS[2]) == 1 and redis.call('HMGET', KEYS[2], unpack(ids)) or {}
  local ends = text(now + tonumber(ARGV[2]))
  local added, kept = {}, 0
  for i, id in ipairs(ids) do
    -- An id without a message can only come from outside; it is dropped.
    if blobs[i] then
      local attempts, first = '1', since[i]
      if runs[i] then
        attempts, first = read_run(runs[i])
        attempts = text(math.min(attempts + 1, 262143))
      end
      kept = kept + 1
      leases[kept] = token .. attempts .. '|' .. first .. ranks[i] .. id
      since[kept], blobs[kept] = since[i], blobs[i]
      added[kept * 2 - 1], added[kept * 2] = ends, leases[kept]
    end
  end
  for i = kept + 1, #ids do
    since[i], blobs[i] = nil, nil
  end
  if kept > 0 then
    redis.call('ZADD', KEYS[3], unpack(added))
  end
end
return { now, head({ KEYS[3], KEYS[4], KEYS[5], KEYS[6] }) or -1, since, leases, blobs }
