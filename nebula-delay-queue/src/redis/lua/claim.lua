-- KEYS msg run lease due0 due1 due2   ARGV max (at most 500) lease_ms token
-- Returns {now, next or -1, {id, attempts, first due, claimable since, rank, blob}...}
local due = { KEYS[4], KEYS[5], KEYS[6] }
local max, token = tonumber(ARGV[1]), ARGV[3]
local now = now_floor()

-- What was leased to somebody who has not been heard of waits again, since the end of its lease.
local ended = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', text(now), 'WITHSCORES', 'LIMIT', 0, max)
for i = 1, #ended, 2 do
  local id, since = ended[i], ended[i + 1]
  local _, attempts, first, rank, failure = read_run(redis.call('HGET', KEYS[2], id))
  if attempts then
    redis.call('HSET', KEYS[2], id, write_run('-', attempts, first, rank, failure))
  end
  redis.call('ZREM', KEYS[3], id)
  redis.call('ZADD', due[(rank or 1) + 1], since, id)
end

local ids, since, ranks = {}, {}, {}
for place = 1, 3 do
  local left = max - #ids
  if left > 0 then
    local taken = redis.call('ZRANGEBYSCORE', due[place], '-inf', text(now), 'WITHSCORES', 'LIMIT', 0, left)
    if #taken > 0 then
      redis.call('ZREMRANGEBYRANK', due[place], 0, #taken / 2 - 1)
      for i = 1, #taken, 2 do
        ids[#ids + 1] = taken[i]
        since[#ids] = tonumber(taken[i + 1])
        ranks[#ids] = place - 1
      end
    end
  end
end

local messages = {}
if #ids > 0 then
  local blobs = redis.call('HMGET', KEYS[1], unpack(ids))
  local runs = redis.call('HMGET', KEYS[2], unpack(ids))
  local ends = text(now + tonumber(ARGV[2]))
  local leases, written = {}, {}
  for i, id in ipairs(ids) do
    -- An id without a message can only come from outside; it is dropped.
    if blobs[i] then
      local _, attempts, first, _, failure = read_run(runs[i] or nil)
      attempts, first = (attempts or 0) + 1, first or since[i]
      written[#written + 1] = id
      written[#written + 1] = write_run(token, attempts, first, ranks[i], failure or '')
      leases[#leases + 1] = ends
      leases[#leases + 1] = id
      messages[#messages + 1] = { id, attempts, first, since[i], ranks[i], blobs[i] }
    end
  end
  if #messages > 0 then
    redis.call('HSET', KEYS[2], unpack(written))
    redis.call('ZADD', KEYS[3], unpack(leases))
  end
end
return { now, head({ KEYS[3], KEYS[4], KEYS[5], KEYS[6] }) or -1, messages }
