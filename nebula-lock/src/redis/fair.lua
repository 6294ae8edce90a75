-- For the scripts of fair locks, after prelude.lua. Waiters stand in a queue by arrival, in a set by the time at which they count as
-- dead unless they are heard of again, and in a table with their lease, if it is shorter than that.
local function leave(queue, alive, brief, waiter)
  redis.call('ZREM', queue, waiter)
  redis.call('ZREM', alive, waiter)
  redis.call('HDEL', brief, waiter)
end

local function prune(queue, alive, brief)
  for _, dead in ipairs(redis.call('ZRANGEBYSCORE', alive, '-inf', now)) do
    leave(queue, alive, brief, dead)
  end
end
